"""The same key makes one order, however often and from wherever it is asked for."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from oeventdb import IdempotencyConflict, NotFound, SoldOut
from tests.procedures.selling.shop import EMAIL, Shop, line
from tests.procedures.sessions import READ_COMMITTED, levels, outcome

if TYPE_CHECKING:
    from tests.procedures.conftest import Refusal
    from tests.procedures.sessions import Session, Stage

PLACE = """
SELECT identifier FROM oeventdb.place_order(%s, %s::jsonb, %s, idempotency_key => %s)
"""


def _request(shop: Shop, ticket: int, key: str, quantity: int = 1) -> list[Any]:
    return [shop.event, json.dumps([line(ticket, quantity)]), EMAIL, key]


def test_the_same_request_gets_the_same_order(shop: Shop) -> None:
    ticket = shop.ticket()
    first = shop.place(line(ticket, 2), idempotency_key="a")
    assert shop.place(line(ticket, 2), idempotency_key="a") == first
    assert shop.held(ticket) == 2
    assert shop.place(line(ticket, 2), idempotency_key="b") != first
    assert shop.place(line(ticket, 2)) != first


def test_the_answer_is_the_order_as_it_is_now(shop: Shop) -> None:
    order = shop.place(line(shop.ticket()), idempotency_key="a")
    lines = [line(int(shop.value("SELECT ticket_id FROM orders_tickets WHERE order_id = %s", order.id)))]
    shop.client.complete_order(order_identifier=order.identifier)
    assert shop.place(*lines, idempotency_key="a").status == "completed"


@pytest.mark.parametrize(
    "lines",
    [
        '[{"quantity": 1, "ticket_id": %(one)s}, {"quantity": 1, "price": 5, "ticket_id": %(two)s}]',
        '[{"ticket_id": %(one)s, "quantity": 1.0}, {"ticket_id": %(two)s.00, "quantity": 1e0, "price": 5.00}]',
        '[{"ticket_id": %(two)s, "quantity": 1, "price": 50e-1}, {"ticket_id": %(one)s, "quantity": 1}]',
    ],
)
def test_lines_written_otherwise_are_the_same_request(shop: Shop, lines: str) -> None:
    one, two = shop.ticket(), shop.ticket(type="donation", price=0)
    first = shop.place(line(one), line(two, price=5), idempotency_key="a")
    request = [shop.event, lines % {"one": one, "two": two}, EMAIL, "a"]
    assert shop.value(PLACE, *request) == first.identifier


@pytest.mark.parametrize(
    "change",
    [
        {"lines": "other"},
        {"email": "grace@example.org"},
        {"discount_code": "code"},
        {"access_code": "door"},
        {"event_id": "other"},
        {"hold": "other"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_request_is_refused(shop: Shop, refused: Refusal, change: dict[str, Any]) -> None:
    ticket = shop.ticket()
    code, door = shop.discount(ticket), shop.access(ticket)
    order = shop.place(line(ticket), idempotency_key="a")
    other = {
        "lines": [line(ticket, 2)],
        "email": "grace@example.org",
        "discount_code": code,
        "access_code": door,
        "event_id": Shop(shop.connection).event,
        "hold": timedelta(hours=1),
    }
    with refused(shop.connection, IdempotencyConflict, idempotency_key="a", order_id=order.id):
        shop.place(line(ticket), idempotency_key="a", **{name: other[name] for name in change})
    assert shop.held(ticket) == 1


def test_a_key_is_one_for_all_events(shop: Shop, refused: Refusal) -> None:
    there = Shop(shop.connection)
    shop.place(line(shop.ticket()), idempotency_key="a")
    with refused(shop.connection, IdempotencyConflict):
        there.place(line(there.ticket()), idempotency_key="a")


def test_the_key_of_a_refused_order_is_free(shop: Shop, refused: Refusal) -> None:
    ticket = shop.ticket(quantity=1, max_order=2)
    with refused(shop.connection, SoldOut):
        shop.place(line(ticket, 2), idempotency_key="a")
    assert shop.place(line(ticket, 1), idempotency_key="a").status == "pending"


def test_the_key_of_a_cancelled_order_is_not(shop: Shop) -> None:
    ticket = shop.ticket()
    order = shop.place(line(ticket), idempotency_key="a")
    shop.client.cancel_order(order_identifier=order.identifier)
    again = shop.place(line(ticket), idempotency_key="a")
    assert (again.id, again.status) == (order.id, "cancelled")


def test_the_key_of_an_order_that_is_gone_without_it_is_told(shop: Shop, refused: Refusal) -> None:
    """As who deletes orders with all triggers off leaves it."""
    ticket = shop.ticket()
    order = shop.place(line(ticket), idempotency_key="a")
    shop.connection.execute("SET session_replication_role = replica")
    shop.connection.execute("DELETE FROM orders WHERE id = %s", [order.id])
    shop.connection.execute("RESET session_replication_role")
    with refused(shop.connection, NotFound, resource="order", id=order.id):
        shop.place(line(ticket), idempotency_key="a")


def test_the_key_of_a_sold_out_ticket_still_answers(shop: Shop) -> None:
    ticket = shop.ticket(quantity=1, max_order=1)
    order = shop.place(line(ticket), idempotency_key="a")
    shop.connection.execute("UPDATE events SET state = 'draft' WHERE id = %s", [shop.event])
    assert shop.place(line(ticket), idempotency_key="a") == order


@levels
def test_two_at_once_get_one_order(stage: Stage, setup: Session, level: str) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    request = _request(shop, ticket, f"two at once {shop.event}")
    one, two = stage.session(), stage.session()
    one.begin(level)
    two.begin(level)
    ((identifier,),) = one.run(PLACE, request)
    waiting = two.start(PLACE, request)
    stage.blocked(two, waiting, by=one)
    one.commit()
    if level == READ_COMMITTED:
        assert waiting.result() == [(identifier,)]
    else:
        assert outcome(waiting) == "40001"
    assert shop.held(ticket) == 1


def test_the_second_makes_the_order_that_the_first_gave_up(stage: Stage, setup: Session) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    request = _request(shop, ticket, f"gave up {shop.event}")
    one, two = stage.session(), stage.session()
    one.begin()
    ((identifier,),) = one.run(PLACE, request)
    waiting = two.start(PLACE, request)
    stage.blocked(two, waiting, by=one)
    one.rollback()
    ((other,),) = waiting.result()
    assert other != identifier
    assert shop.held(ticket) == 1


def test_two_requests_at_once_under_one_key(stage: Stage, setup: Session) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    key = f"one key {shop.event}"
    one, two = stage.session(), stage.session()
    one.begin()
    one.run(PLACE, _request(shop, ticket, key))
    waiting = two.start(PLACE, _request(shop, ticket, key, 2))
    stage.blocked(two, waiting, by=one)
    one.commit()
    assert outcome(waiting) == "OE303"


def test_a_key_whose_order_is_deleted_meanwhile_is_new(stage: Stage, setup: Session) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    request = _request(shop, ticket, f"deleted {shop.event}")
    setup.run(PLACE, request)
    office, buyer = stage.session(), stage.session()
    office.begin()
    office.run("DELETE FROM orders WHERE event_id = %s", [shop.event])
    waiting = buyer.start(PLACE, request)
    stage.blocked(buyer, waiting, by=office)
    office.commit()
    ((identifier,),) = waiting.result()
    assert setup.run(PLACE, request) == [(identifier,)]
    assert shop.held(ticket) == 1


def test_a_key_whose_order_is_deleted_while_it_is_looked_up_is_new(stage: Stage, setup: Session) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    request = _request(shop, ticket, f"deleted while looked up {shop.event}")
    ((identifier,),) = setup.run(PLACE, request)
    office, buyer = stage.session(), stage.session()
    office.begin()
    # the key is found, and its order waited for
    office.run("LOCK TABLE orders")
    waiting = buyer.start(PLACE, request)
    stage.blocked(buyer, waiting, by=office)
    office.run("DELETE FROM orders WHERE event_id = %s", [shop.event])
    office.commit()
    ((other,),) = waiting.result()
    assert other != identifier
    assert setup.run(PLACE, request) == [(other,)]
    assert shop.held(ticket) == 1
