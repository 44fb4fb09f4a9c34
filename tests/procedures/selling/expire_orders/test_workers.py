"""Overdue orders are freed once, whichever worker comes, and the others are left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.procedures.selling.shop import Shop, broken, line
from tests.procedures.sessions import outcome

if TYPE_CHECKING:
    from tests.procedures.sessions import Session, Stage

EXPIRE = "SELECT oeventdb.expire_orders(%s)"


def _drain(session: Session) -> None:
    while session.value(EXPIRE, [1000]):
        pass


def test_only_overdue_pending_orders_expire(shop: Shop) -> None:
    ticket, free = shop.ticket(quantity=20), shop.ticket(type="free")
    code, door = shop.discount(ticket, tickets_number=20), shop.access(ticket, tickets_number=20)
    overdue = [shop.place(line(ticket, 2), discount_code=code, access_code=door) for _ in range(3)]
    held, paid = shop.place(line(ticket), discount_code=code), shop.place(line(ticket), discount_code=code)
    cancelled, complete = shop.place(line(ticket)), shop.place(line(free))
    shop.client.complete_order(order_identifier=paid.identifier)
    shop.client.cancel_order(order_identifier=cancelled.identifier)
    for order in (*overdue, paid, cancelled, complete):
        shop.overdue(order)
    freed = 0
    while count := shop.client.expire_orders(batch=2):
        assert count <= 2
        freed += count
    assert freed >= 3
    assert [shop.status(order) for order in overdue] == ["expired"] * 3
    kept = [shop.status(order) for order in (held, paid, cancelled, complete)]
    assert kept == ["pending", "completed", "cancelled", "completed"]
    assert (shop.held(ticket), shop.uses(code), shop.uses(door, "access_codes")) == (2, 2, 0)
    assert broken(shop.connection) == []


def test_the_longest_overdue_come_first(stage: Stage, setup: Session) -> None:
    del stage
    _drain(setup)
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    orders = [shop.place(line(ticket)) for _ in range(3)]
    for order, hours in zip(orders, (1, 3, 2), strict=True):
        setup.run(
            "UPDATE orders SET expires_at = now() - %s WHERE id = %s", [timedelta(hours=hours), order.id]
        )
    assert shop.client.expire_orders(batch=2) == 2
    assert [shop.status(order) for order in orders] == ["pending", "expired", "expired"]
    _drain(setup)


def test_workers_pass_by_what_another_is_at(stage: Stage, setup: Session) -> None:
    _drain(setup)
    shop = Shop(setup.connection)
    ticket = shop.ticket(quantity=20)
    for _ in range(10):
        shop.overdue(shop.place(line(ticket, 2)))
    workers = [stage.session() for _ in range(3)]
    for worker in workers:
        worker.begin()
    assert [worker.value(EXPIRE, [4]) for worker in workers] == [4, 4, 2]
    assert setup.value(EXPIRE, [4]) == 0
    workers[0].rollback()
    for worker in workers[1:]:
        worker.commit()
    assert setup.value(EXPIRE, [1000]) == 4
    assert shop.held(ticket) == 0


def test_an_order_that_is_being_paid_is_left_alone(stage: Stage, setup: Session) -> None:
    _drain(setup)
    shop = Shop(setup.connection)
    order = shop.place(line(shop.ticket()))
    shop.overdue(order)
    buyer = stage.session()
    buyer.begin()
    buyer.run("SELECT FROM oeventdb.complete_order(%s)", [order.identifier])
    assert setup.value(EXPIRE, [1000]) == 0
    buyer.commit()
    assert setup.value(EXPIRE, [1000]) == 0
    assert shop.status(order) == "completed"


def test_many_workers_and_buyers_never_wait_in_a_circle(stage: Stage, setup: Session) -> None:
    """Batches hold many orders, codes and tickets at once, in one order."""
    _drain(setup)
    shop = Shop(setup.connection)
    tickets = [shop.ticket(quantity=40) for _ in range(4)]
    codes = [shop.discount(*pair, tickets_number=100) for pair in (tickets[:2], tickets[2:])]
    door = shop.access(*tickets, tickets_number=100)
    for number in range(24):
        pair = tickets[:2] if number % 2 else tickets[2:]
        shop.overdue(shop.place(*map(line, pair), discount_code=codes[(number + 1) % 2], access_code=door))
    workers = [stage.session() for _ in range(6)]
    running = [worker.start(EXPIRE, [2 + number]) for number, worker in enumerate(workers) for _ in range(3)]
    assert {outcome(run) for run in running} == {"done"}
    assert setup.value(EXPIRE, [1000]) == 0
    assert [shop.held(ticket) for ticket in tickets] == [0] * 4
    assert [shop.uses(code) for code in codes] == [0, 0]


@pytest.mark.parametrize(
    ("awaited", "free"),
    [
        ("discount_codes", "access_codes"),
        ("discount_codes", "ticket_holders"),
        ("access_codes", "ticket_holders"),
    ],
)
def test_what_comes_later_is_free_while_the_earlier_is_waited_for(
    stage: Stage, setup: Session, awaited: str, free: str
) -> None:
    """Whoever sells or cancels locks discount codes, then access codes, then holders."""
    _drain(setup)
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    code, door = shop.discount(ticket, tickets_number=9), shop.access(ticket, tickets_number=9)
    shop.overdue(shop.place(line(ticket), discount_code=code, access_code=door))
    seller, worker = stage.session(), stage.session()
    seller.begin()
    lock = "SELECT FROM {} WHERE {} FOR NO KEY UPDATE"
    which = {
        "discount_codes": f"lower(code) = lower('{code}')",
        "access_codes": f"lower(code) = lower('{door}')",
        "ticket_holders": f"ticket_id = {ticket}",
    }
    seller.run(lock.format(awaited, which[awaited]))
    running = worker.start(EXPIRE, [1000])
    stage.blocked(worker, running, by=seller)
    seller.run(lock.format(free, which[free]) + " NOWAIT")
    seller.commit()
    assert outcome(running) == "done"
    assert shop.held(ticket) == 0


def test_a_buyer_waits_for_a_batch_that_frees_another_ticket_first(stage: Stage, setup: Session) -> None:
    """A batch says for all its tickets that admissions are coming, before it gives back the first."""
    _drain(setup)
    shop = Shop(setup.connection)
    lock = "SELECT oeventdb_internal.release_lock(%s)"
    wanted, other = shop.ticket(quantity=1), shop.ticket(quantity=1)
    while setup.value(lock, [wanted]) == setup.value(lock, [other]):
        other = shop.ticket(quantity=1)
    for ticket in (other, wanted):
        shop.overdue(shop.place(line(ticket)))
    office, worker, buyer = stage.session(), stage.session(), stage.session()
    office.begin()
    office.run("SELECT pg_advisory_xact_lock(oeventdb_internal.release_lock(%s))", [other])
    expiring = worker.start(EXPIRE, [1000])
    stage.blocked(worker, expiring, by=office)
    buying = buyer.start(
        "SELECT FROM oeventdb.place_order(%s, jsonb_build_array(jsonb_build_object('ticket_id', %s::bigint,"
        " 'quantity', 1)), 'buyer@example.com')",
        [shop.event, wanted],
    )
    stage.blocked(buyer, buying, by=worker)
    office.commit()
    assert [outcome(expiring), outcome(buying)] == ["done", "done"]
    assert (shop.held(wanted), shop.held(other)) == (1, 0)
