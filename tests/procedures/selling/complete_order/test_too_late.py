"""Payments for expired orders race for seats that are left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.procedures.selling.shop import Shop, line
from tests.procedures.sessions import outcome

if TYPE_CHECKING:
    from tests.procedures.sessions import Session, Stage

COMPLETE = "SELECT FROM oeventdb.complete_order(%s)"


def test_two_payments_for_the_last_seats(stage: Stage, setup: Session) -> None:
    """Each needs two seats of three: one gets them, the other's money goes back."""
    shop = Shop(setup.connection)
    ticket = shop.ticket(quantity=3)
    orders = [shop.expired(line(ticket, 2)) for _ in range(2)]
    one, two = stage.session(), stage.session()
    one.begin()
    one.run(COMPLETE, [orders[0].identifier])
    waiting = two.start(COMPLETE, [orders[1].identifier])
    stage.blocked(two, waiting, by=one)
    one.commit()
    assert outcome(waiting) == "OE302"
    assert shop.held(ticket) == 2


def test_a_payment_waits_for_seats_that_come_free(stage: Stage, setup: Session) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket(quantity=3)
    orders = [shop.expired(line(ticket, 2)) for _ in range(2)]
    one, two = stage.session(), stage.session()
    one.begin()
    one.run(COMPLETE, [orders[0].identifier])
    waiting = two.start(COMPLETE, [orders[1].identifier])
    stage.blocked(two, waiting, by=one)
    one.rollback()
    assert outcome(waiting) == "done"
    assert shop.held(ticket) == 2


def test_payments_for_seats_of_several_tickets_never_wait_in_a_circle(stage: Stage, setup: Session) -> None:
    shop = Shop(setup.connection)
    tickets = [shop.ticket(quantity=3) for _ in range(3)]
    orders = [shop.expired(*(line(ticket, 2) for ticket in order)) for order in (tickets, tickets[::-1])]
    orders += [shop.expired(line(tickets[2], 2), line(tickets[0], 2)), shop.expired(line(tickets[1], 2))]
    buyers = [stage.session() for _ in orders]
    for _ in range(10):
        running = [
            buyer.start(COMPLETE, [order.identifier]) for buyer, order in zip(buyers, orders, strict=True)
        ]
        ends = {outcome(run) for run in running}
        assert "done" in ends
        assert ends <= {"done", "OE302"}
        setup.run("UPDATE orders SET status = 'expired' WHERE event_id = %s", [shop.event])


def test_a_payment_and_a_cancellation_of_one_order(stage: Stage, setup: Session) -> None:
    shop = Shop(setup.connection)
    order = shop.place(line(shop.ticket()))
    here, there = stage.session(), stage.session()
    here.begin()
    here.run(COMPLETE, [order.identifier])
    waiting = there.start("SELECT FROM oeventdb.cancel_order(%s)", [order.identifier])
    stage.blocked(there, waiting, by=here)
    here.commit()
    assert outcome(waiting) == "OE301"
    assert shop.status(order) == "completed"
