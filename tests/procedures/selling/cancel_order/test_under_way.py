"""While an order dies or comes back to life, others write its holders and its tickets: no deadlock, nothing left over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.procedures.selling.shop import Shop, line
from tests.procedures.sessions import READ_COMMITTED, levels, outcome

if TYPE_CHECKING:
    from oeventdb.rows import Order
    from tests.procedures.sessions import Session, Stage

CANCEL = "SELECT FROM oeventdb.cancel_order(%s)"
COMPLETE = "SELECT FROM oeventdb.complete_order(%s)"
LOCK = "SELECT FROM orders WHERE id = %s FOR UPDATE"
MOVE = "UPDATE ticket_holders SET ticket_id = %s WHERE id = %s"
INSERT = "INSERT INTO ticket_holders (firstname, lastname, ticket_id, order_id) VALUES ('a', 'b', %s, %s)"


@pytest.fixture
def shop(setup: Session) -> Shop:
    """Return a shop on the database that the sessions share."""
    return Shop(setup.connection)


def _place(shop: Shop) -> tuple[Order, int, int, int]:
    """An order of one seat, its holder, its ticket, and another ticket."""
    ticket, other = shop.ticket(), shop.ticket()
    order = shop.place(line(ticket))
    return order, shop.holders(order)[0], ticket, other


def _last_number(shop: Shop) -> tuple[int, Order]:
    """A ticket of four, and an order that holds the last of its admissions, perhaps with others."""
    ticket = shop.ticket(quantity=4)
    order, guests = shop.place(line(ticket, 2)), shop.place(line(ticket, 2))
    # numbers are drawn
    last = shop.value("SELECT order_id FROM ticket_holders WHERE ticket_id = %s AND admission_no = 4", ticket)
    if last != order.id:
        order, guests = guests, order
    shop.client.cancel_order(order_identifier=guests.identifier)
    return ticket, order


def test_a_holder_moves_while_the_order_is_locked(stage: Stage, shop: Shop) -> None:
    order, holder, ticket, other = _place(shop)
    office, legacy = stage.session(), stage.session()
    office.begin()
    office.run(LOCK, [order.id])
    # a move that waited for the order, with the holder locked, would be one half of a deadlock
    assert outcome(legacy.start(MOVE, [other, holder])) == "done"
    office.run(CANCEL, [order.identifier])
    office.commit()
    assert (shop.held(ticket), shop.held(other)) == (0, 0)


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_cancellation_waits_for_a_holder_who_moves(stage: Stage, shop: Shop, end: str) -> None:
    order, holder, ticket, other = _place(shop)
    office, legacy = stage.session(), stage.session()
    legacy.begin()
    legacy.run(MOVE, [other, holder])
    waiting = office.start(CANCEL, [order.identifier])
    stage.blocked(office, waiting, by=legacy)
    legacy.run(end)
    assert outcome(waiting) == "done"
    assert (shop.held(ticket), shop.held(other)) == (0, 0)


def test_a_move_waits_for_a_cancellation(stage: Stage, shop: Shop) -> None:
    order, holder, ticket, other = _place(shop)
    office, legacy = stage.session(), stage.session()
    office.begin()
    office.run(CANCEL, [order.identifier])
    waiting = legacy.start(MOVE, [other, holder])
    stage.blocked(legacy, waiting, by=office)
    office.commit()
    assert outcome(waiting) == "done"
    assert (shop.held(ticket), shop.held(other)) == (0, 0)


def test_a_holder_of_a_dead_order_moves_while_it_comes_to_life(stage: Stage, shop: Shop) -> None:
    ticket, other = shop.ticket(), shop.ticket()
    order = shop.expired(line(ticket))
    (holder,) = shop.holders(order)
    office, legacy = stage.session(), stage.session()
    legacy.begin()
    legacy.run(MOVE, [other, holder])
    waiting = office.start(COMPLETE, [order.identifier])
    stage.blocked(office, waiting, by=legacy)
    legacy.commit()
    assert outcome(waiting) == "done"
    assert (shop.held(ticket), shop.held(other)) == (0, 1)


def test_a_holder_of_a_dead_order_moves_after_it_came_to_life(stage: Stage, shop: Shop) -> None:
    ticket, other = shop.ticket(), shop.ticket()
    order = shop.expired(line(ticket))
    (holder,) = shop.holders(order)
    office, legacy = stage.session(), stage.session()
    office.begin()
    office.run(COMPLETE, [order.identifier])
    waiting = legacy.start(MOVE, [other, holder])
    stage.blocked(legacy, waiting, by=office)
    office.commit()
    assert outcome(waiting) == "done"
    assert (shop.held(ticket), shop.held(other)) == (0, 1)


def test_a_ticket_shrinks_while_the_order_is_locked(stage: Stage, shop: Shop) -> None:
    ticket, order = _last_number(shop)
    office, organizer = stage.session(), stage.session()
    office.begin()
    office.run(LOCK, [order.id])
    assert outcome(organizer.start("UPDATE tickets SET quantity = 3 WHERE id = %s", [ticket])) == "done"
    office.run(CANCEL, [order.identifier])
    office.commit()
    assert shop.held(ticket) == 0


def test_a_ticket_shrinks_while_the_holder_to_be_renumbered_is_given_up(stage: Stage, shop: Shop) -> None:
    ticket, order = _last_number(shop)
    office, organizer = stage.session(), stage.session()
    office.begin()
    office.run(CANCEL, [order.identifier])
    waiting = organizer.start("UPDATE tickets SET quantity = 3 WHERE id = %s", [ticket])
    stage.blocked(organizer, waiting, by=office)
    office.commit()
    assert outcome(waiting) == "done"
    assert shop.held(ticket) == 0


@levels
def test_a_cancellation_sees_the_holder_who_was_just_added(stage: Stage, shop: Shop, level: str) -> None:
    order, _, ticket, other = _place(shop)
    office, legacy = stage.session(), stage.session()
    office.begin(level)
    legacy.run(INSERT, [other, order.id])
    assert outcome(office.start(CANCEL, [order.identifier])) == (
        "done" if level == READ_COMMITTED else "40001"
    )
    office.run("ROLLBACK" if level != READ_COMMITTED else "COMMIT")
    expected = (0, 0) if level == READ_COMMITTED else (1, 1)
    assert (shop.held(ticket), shop.held(other)) == expected


@levels
def test_a_holder_added_to_an_order_that_is_dying_gets_nothing(stage: Stage, shop: Shop, level: str) -> None:
    order, _, _, other = _place(shop)
    office, legacy = stage.session(), stage.session()
    legacy.begin(level)
    office.begin()
    office.run(CANCEL, [order.identifier])
    waiting = legacy.start(INSERT, [other, order.id])
    stage.blocked(legacy, waiting, by=office)
    office.commit()
    assert outcome(waiting) == ("done" if level == READ_COMMITTED else "40001")
    legacy.run("ROLLBACK" if level != READ_COMMITTED else "COMMIT")
    assert shop.held(other) == 0


@pytest.mark.parametrize("way", ["cancel", "expire"])
def test_seats_are_not_given_back_one_by_one_while_a_holder_is_written(
    stage: Stage, shop: Shop, way: str
) -> None:
    """Who writes the second holder may wait for a seat of the first ticket: half given back, it would be a deadlock."""
    first, second = shop.ticket(quantity=2, max_order=2), shop.ticket()
    order, other = shop.place(line(first), line(second)), shop.place(line(first))
    moving = int(
        shop.value("SELECT id FROM ticket_holders WHERE order_id = %s AND ticket_id = %s", order.id, second)
    )
    assert other.status == "pending"
    office, legacy = stage.session(), stage.session()
    legacy.begin()
    legacy.run("SELECT FROM ticket_holders WHERE id = %s FOR UPDATE", [moving])
    shop.overdue(order)
    statement = "SELECT oeventdb.expire_orders(1000)" if way == "expire" else CANCEL
    ending = office.start(statement, None if way == "expire" else [order.identifier])
    stage.blocked(office, ending, by=legacy)
    assert outcome(legacy.start(MOVE, [first, moving])) == "OE101"
    legacy.rollback()
    assert outcome(ending) == "done"
    assert (shop.held(first), shop.held(second)) == (1, 0)
