"""A holder is let in once, at whichever door, and only with a live order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from oeventdb import AlreadyCheckedIn, InvalidArgument, NotFound, OrderState, translated
from tests.procedures.selling.shop import Shop, line
from tests.procedures.sessions import READ_COMMITTED, levels, outcome

if TYPE_CHECKING:
    from tests.procedures.conftest import Refusal
    from tests.procedures.sessions import Session, Stage

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ONE = datetime(2026, 6, 1, 13, tzinfo=UTC)
CHECK_IN = "SELECT * FROM oeventdb.check_in(%s)"


def test_the_second_try_says_when_the_first_was(shop: Shop, refused: Refusal) -> None:
    (holder,) = shop.holders(shop.place(line(shop.ticket())))
    shop.client.check_in(ticket_holder_id=holder, at=NOON)
    with refused(shop.connection, AlreadyCheckedIn, ticket_holder_id=holder) as caught:
        shop.client.check_in(ticket_holder_id=holder, at=ONE)
    assert datetime.fromisoformat(str(caught.value.detail["checked_in_at"])) == NOON


def test_an_undone_check_in_can_be_repeated_and_both_times_stay(shop: Shop) -> None:
    (holder,) = shop.holders(shop.place(line(shop.ticket())))
    shop.client.check_in(ticket_holder_id=holder, at=NOON)
    assert not shop.client.undo_check_in(ticket_holder_id=holder).is_checked_in
    assert shop.value("SELECT checked_in_at FROM ticket_holders WHERE id = %s", holder) is None
    assert shop.client.check_in(ticket_holder_id=holder, at=ONE).is_checked_in
    assert shop.value("SELECT checked_in_at FROM ticket_holders WHERE id = %s", holder) == ONE
    times = str(shop.value("SELECT checkin_times FROM ticket_holders WHERE id = %s", holder)).split(",")
    assert [datetime.fromisoformat(time) for time in times] == [NOON, ONE]


def test_undoing_twice_changes_nothing(shop: Shop) -> None:
    (holder,) = shop.holders(shop.place(line(shop.ticket())))
    first = shop.client.undo_check_in(ticket_holder_id=holder)
    assert shop.client.undo_check_in(ticket_holder_id=holder) == first
    assert not first.is_checked_in


def test_a_holder_without_order_is_let_in(shop: Shop) -> None:
    added = shop.client.add_ticket_holder(ticket_id=shop.ticket(), firstname="Ada", lastname="Lovelace")
    assert shop.client.check_in(ticket_holder_id=added.id).is_checked_in


@pytest.mark.parametrize("status", ["cancelled", "expired", "deleted"])
def test_a_dead_order_lets_nobody_in(shop: Shop, refused: Refusal, status: str) -> None:
    order = shop.place(line(shop.ticket()))
    (holder,) = shop.holders(order)
    shop.connection.execute("UPDATE orders SET status = %s WHERE id = %s", [status, order.id])
    with refused(shop.connection, OrderState, order=order.identifier, status=status):
        shop.client.check_in(ticket_holder_id=holder)


def test_nobody_is_refused_by_name(shop: Shop, refused: Refusal) -> None:
    for method in (shop.client.check_in, shop.client.undo_check_in):
        with refused(shop.connection, InvalidArgument, argument="ticket_holder_id"):
            method(ticket_holder_id=None)  # type: ignore[arg-type]
        with refused(shop.connection, NotFound, resource="ticket_holder", id=-1):
            method(ticket_holder_id=-1)
    (holder,) = shop.holders(shop.place(line(shop.ticket())))
    with refused(shop.connection, InvalidArgument, argument="at"):
        shop.client.check_in(ticket_holder_id=holder, at=None)  # type: ignore[arg-type]


@levels
def test_of_two_doors_exactly_one_lets_the_holder_in(stage: Stage, setup: Session, level: str) -> None:
    shop = Shop(setup.connection)
    (holder,) = shop.holders(shop.place(line(shop.ticket())))
    here, there = stage.session(), stage.session()
    here.begin(level)
    there.begin(level)
    here.run(CHECK_IN, [holder])
    waiting = there.start(CHECK_IN, [holder])
    stage.blocked(there, waiting, by=here)
    here.commit()
    assert outcome(waiting) == ("OE401" if level == READ_COMMITTED else "40001")


def test_a_door_that_gave_up_leaves_the_holder_to_the_other(stage: Stage, setup: Session) -> None:
    shop = Shop(setup.connection)
    (holder,) = shop.holders(shop.place(line(shop.ticket())))
    here, there = stage.session(), stage.session()
    here.begin()
    here.run(CHECK_IN, [holder])
    waiting = there.start(CHECK_IN, [holder])
    stage.blocked(there, waiting, by=here)
    here.rollback()
    assert outcome(waiting) == "done"


def test_a_cancellation_under_way_lets_nobody_in(stage: Stage, setup: Session) -> None:
    shop = Shop(setup.connection)
    order = shop.place(line(shop.ticket()))
    (holder,) = shop.holders(order)
    office, door = stage.session(), stage.session()
    office.begin()
    office.run("SELECT FROM orders WHERE id = %s FOR UPDATE", [order.id])
    waiting = door.start(CHECK_IN, [holder])
    stage.blocked(door, waiting, by=office)
    # a door that held the holder while it waits for the order would make this a deadlock
    office.run("SELECT FROM oeventdb.cancel_order(%s)", [order.identifier])
    office.commit()
    assert outcome(waiting) == "OE301"


def test_a_holder_who_moves_to_another_order_is_judged_by_that_one(stage: Stage, setup: Session) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    order, dead = shop.place(line(ticket)), shop.expired(line(ticket))
    (holder,) = shop.holders(order)
    office, door = stage.session(), stage.session()
    office.begin()
    office.run("UPDATE ticket_holders SET order_id = %s WHERE id = %s", [dead.id, holder])
    waiting = door.start(CHECK_IN, [holder])
    stage.blocked(door, waiting, by=office)
    office.commit()
    assert outcome(waiting) == "OE301"


def test_a_holder_who_moves_to_an_order_that_is_being_cancelled_holds_it_up_for_nobody(
    stage: Stage, setup: Session
) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    (holder,) = shop.holders(shop.place(line(ticket)))
    other = shop.place(line(ticket))
    office, door, canceller = stage.session(), stage.session(), stage.session()
    office.begin()
    office.run("UPDATE ticket_holders SET order_id = %s WHERE id = %s", [other.id, holder])
    waiting = door.start(CHECK_IN, [holder])
    stage.blocked(door, waiting, by=office)
    cancelling = canceller.start("SELECT FROM oeventdb.cancel_order(%s)", [other.identifier])
    stage.blocked(canceller, cancelling, by=office)
    office.commit()
    assert outcome(cancelling) == "done"
    assert outcome(waiting) in ("OE301", "done")


def test_a_check_in_that_the_legacy_application_takes_back_is_forgotten(shop: Shop, refused: Refusal) -> None:
    """It writes is_checked_in and a list of times, and knows no checked_in_at."""
    (holder,) = shop.holders(shop.place(line(shop.ticket())))
    shop.client.check_in(ticket_holder_id=holder, at=NOON)
    shop.connection.execute("UPDATE ticket_holders SET is_checked_in = false WHERE id = %s", [holder])
    assert shop.value("SELECT checked_in_at FROM ticket_holders WHERE id = %s", holder) is None
    shop.connection.execute(
        "UPDATE ticket_holders SET is_checked_in = true, checkin_times = checkin_times || ', 2026-06-01 13:00:00+00'"
        " WHERE id = %s",
        [holder],
    )
    with refused(shop.connection, AlreadyCheckedIn, checked_in_at="2026-06-01 13:00:00+00"):
        shop.client.check_in(ticket_holder_id=holder)


def test_a_time_without_end_is_none(shop: Shop, refused: Refusal) -> None:
    (holder,) = shop.holders(shop.place(line(shop.ticket())))
    with refused(shop.connection, InvalidArgument, argument="at"), translated():
        shop.connection.execute("SELECT FROM oeventdb.check_in(%s, 'infinity')", [holder])
