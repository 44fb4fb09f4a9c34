"""A quantity that is lowered, or a ticket that is deleted, while somebody buys: one of the two has to give way."""

from __future__ import annotations

import pytest

from tests import samples
from tests.procedures import invariants
from tests.procedures.sessions import (
    READ_COMMITTED,
    REPEATABLE_READ,
    SERIALIZABLE,
    TRY_AGAIN,
    Session,
    Stage,
    endings,
    levels,
    outcome,
)

BUY = "INSERT INTO ticket_holders (ticket_id, firstname, lastname) VALUES (%s, 'Ada', 'Lovelace')"
MANY = "INSERT INTO ticket_holders (ticket_id, firstname, lastname) SELECT %s, 'A', 'B' FROM generate_series(1, %s)"
CHOOSE = "INSERT INTO ticket_holders (ticket_id, admission_no, firstname, lastname) VALUES (%s, %s, 'A', 'B')"
LOOK_AT = (
    "SELECT FROM oeventdb_internal.free_admissions WHERE ticket_id = %s AND admission_no = %s FOR UPDATE"
)
LOWER = "UPDATE tickets SET quantity = %s WHERE id = %s"
DELETE = "DELETE FROM tickets WHERE id = %s"


def ends(
    stage: Stage, first: Session, first_ends: str, second: Session, statement: str, values: list[int]
) -> str:
    """How the second's statement ends, which waits for the first's transaction."""
    running = second.start(statement, values)
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    second.finish(ended)
    return ended


def test_a_buyer_waits_for_a_first_quantity(stage: Stage, setup: Session, event: int) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=0)
    first, second = stage.two(READ_COMMITTED)
    first.run(LOWER, [1, ticket])
    assert ends(stage, first, "COMMIT", second, BUY, [ticket]) == "done"


@levels
@endings
def test_a_buyer_waits_for_a_quantity_that_is_being_lowered(
    stage: Stage, setup: Session, event: int, level: str, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=2, max_order=1)
    setup.run(BUY, [ticket])
    first, second = stage.two(level)
    first.run(LOWER, [1, ticket])
    ended = ends(stage, first, first_ends, second, BUY, [ticket])
    if first_ends == "ROLLBACK":
        assert ended == "done"
    else:
        assert ended in {"OE101", *([] if level == READ_COMMITTED else [TRY_AGAIN])}


@levels
@endings
def test_lowering_waits_for_a_buyer_and_counts_the_holder(
    stage: Stage, setup: Session, event: int, level: str, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=2, max_order=1)
    setup.run(BUY, [ticket])
    first, second = stage.two(level)
    first.run(BUY, [ticket])
    ended = ends(stage, first, first_ends, second, LOWER, [1, ticket])
    if first_ends == "ROLLBACK":
        assert ended == "done"
    else:
        assert ended in {"OE104", *([] if level == READ_COMMITTED else [TRY_AGAIN])}


@levels
@endings
def test_lowering_waits_for_a_holder_who_is_being_removed(
    stage: Stage, setup: Session, event: int, level: str, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=3)
    setup.run(MANY, [ticket, 3])
    first, second = stage.two(level)
    first.run("DELETE FROM ticket_holders WHERE ticket_id = %s AND admission_no = 3", [ticket])
    ended = ends(stage, first, first_ends, second, LOWER, [2, ticket])
    if first_ends == "ROLLBACK":
        assert ended == "OE104"
    else:
        assert ended in {"done"} if level == READ_COMMITTED else {"OE104", TRY_AGAIN}


@endings
def test_lowering_gives_no_number_to_a_holder_who_is_being_removed(
    stage: Stage, setup: Session, event: int, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=4)
    setup.run(CHOOSE, [ticket, 4])
    first, second = stage.two(READ_COMMITTED)
    first.run("DELETE FROM ticket_holders WHERE ticket_id = %s", [ticket])
    assert ends(stage, first, first_ends, second, LOWER, [2, ticket]) == "done"
    left = setup.value("SELECT available FROM oeventdb.ticket_availability(%s)", [event])
    assert left == (2 if first_ends == "COMMIT" else 1)


@pytest.mark.parametrize("quantity", [1500, 2500, 5000])
@endings
def test_lowering_waits_for_a_buyer_who_opens_more_admissions(
    stage: Stage, setup: Session, event: int, first_ends: str, quantity: int
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=1_000_000)
    setup.run(MANY, [ticket, 1000])
    first, second = stage.two(READ_COMMITTED)
    first.run(BUY, [ticket])
    assert ends(stage, first, first_ends, second, LOWER, [quantity, ticket]) == "done"


@pytest.mark.parametrize("quantity", [1500, 2500, 5000])
@endings
def test_lowering_waits_for_a_buyer_who_chooses_an_unopened_number(
    stage: Stage, setup: Session, event: int, first_ends: str, quantity: int
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=1_000_000)
    first, second = stage.two(READ_COMMITTED)
    first.run(CHOOSE, [ticket, 2000])
    assert ends(stage, first, first_ends, second, LOWER, [quantity, ticket]) == "done"


@levels
@endings
def test_a_buyer_waits_for_a_ticket_that_is_being_deleted(
    stage: Stage, setup: Session, event: int, level: str, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=2, max_order=2)
    first, second = stage.two(level)
    first.run(DELETE, [ticket])
    ended = ends(stage, first, first_ends, second, BUY, [ticket])
    if first_ends == "ROLLBACK":
        assert ended == "done"
    else:
        assert ended in {"OE101", "OE404", "23503", *([] if level == READ_COMMITTED else [TRY_AGAIN])}


@levels
@endings
def test_deleting_a_ticket_waits_for_a_buyer_and_is_refused(
    stage: Stage, setup: Session, event: int, level: str, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=2, max_order=2)
    first, second = stage.two(level)
    first.run(BUY, [ticket])
    ended = ends(stage, first, first_ends, second, DELETE, [ticket])
    if first_ends == "ROLLBACK":
        assert ended == "done"
    else:
        assert ended in {"23503", *([] if level == READ_COMMITTED else [TRY_AGAIN])}


def test_lowering_without_need_waits_for_nobody(stage: Stage, setup: Session, event: int) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=10)
    first, second = stage.session(), stage.session(lock_timeout="2s")
    first.begin()
    first.run(CHOOSE, [ticket, 1])
    second.run(LOWER, [5, ticket])
    first.commit()


@endings
def test_lowering_waits_for_a_buyer_who_opens_the_lower_numbers_it_needs(
    stage: Stage, setup: Session, event: int, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=2001)
    setup.run(MANY, [ticket, 1000])
    setup.run(CHOOSE, [ticket, 2001])
    first, second = stage.two(READ_COMMITTED)
    first.run(BUY, [ticket])
    assert ends(stage, first, first_ends, second, LOWER, [2000, ticket]) == "done"


@endings
def test_lowering_waits_for_a_holder_who_is_being_written(
    stage: Stage, setup: Session, event: int, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=3)
    setup.run(CHOOSE, [ticket, 3])
    first, second = stage.two(READ_COMMITTED)
    first.run("UPDATE ticket_holders SET email = 'a@example.org' WHERE ticket_id = %s", [ticket])
    assert ends(stage, first, first_ends, second, LOWER, [2, ticket]) == "done"


class Lowering:
    """A quantity that is lowered to 1 while admission 3 is given back, taken by another and perhaps given back again."""

    def __init__(self, stage: Stage, setup: Session, event: int) -> None:
        self._stage = stage
        self.ticket = samples.ticket(setup.connection, event, quantity=3)
        setup.run(CHOOSE, [self.ticket, 3])
        self._browser, self._office, self.buyer = (stage.session() for _ in range(3))
        self._browser.begin()
        self._browser.run(LOOK_AT, [self.ticket, 2])
        self.running = self._office.start(LOWER, [1, self.ticket])
        stage.blocked(self._office, self.running, by=self._browser)
        # the office has not seen this admission free, and will not see who takes it
        setup.run("DELETE FROM ticket_holders WHERE ticket_id = %s", [self.ticket])
        self.buyer.begin()

    def is_let_go(self) -> None:
        """Who looked at admission 2 leaves it."""
        self._browser.rollback()

    def goes_on(self) -> None:
        """The office is let go, and waits for the buyer."""
        self.is_let_go()
        self._stage.blocked(self._office, self.running, by=self.buyer)


def test_lowering_gives_a_lower_number_to_who_took_one_meanwhile(
    stage: Stage, setup: Session, event: int
) -> None:
    lowering = Lowering(stage, setup, event)
    lowering.buyer.run(CHOOSE, [lowering.ticket, 3])
    lowering.goes_on()
    lowering.buyer.commit()
    assert outcome(lowering.running) == "done"
    assert setup.run("SELECT admission_no FROM ticket_holders WHERE ticket_id = %s", [lowering.ticket]) == [
        (1,)
    ]
    assert invariants.broken(setup.connection) == []


def test_lowering_takes_off_sale_what_is_given_back_meanwhile(
    stage: Stage, setup: Session, event: int
) -> None:
    lowering = Lowering(stage, setup, event)
    lowering.buyer.run(CHOOSE, [lowering.ticket, 3])
    lowering.goes_on()
    lowering.buyer.run("DELETE FROM ticket_holders WHERE ticket_id = %s", [lowering.ticket])
    lowering.buyer.commit()
    assert outcome(lowering.running) == "done"
    assert invariants.broken(setup.connection) == []


def test_lowering_does_not_wait_for_a_buyer_who_waits_for_the_event(
    stage: Stage, setup: Session, event: int
) -> None:
    lowering, organizer = Lowering(stage, setup, event), stage.session()
    organizer.begin()
    organizer.run("SELECT FROM events WHERE id = %s FOR UPDATE", [event])
    buying = lowering.buyer.start(CHOOSE, [lowering.ticket, 3])
    stage.blocked(lowering.buyer, buying, by=organizer)
    lowering.is_let_go()
    assert outcome(lowering.running) == "done"
    organizer.commit()
    assert outcome(buying) == "23503"
    assert invariants.broken(setup.connection) == []


@levels
def test_an_admission_just_given_back_goes_with_its_ticket(
    stage: Stage, setup: Session, event: int, level: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=3)
    setup.run(BUY, [ticket])
    office = stage.session()
    office.begin(level)
    setup.run("DELETE FROM ticket_holders WHERE ticket_id = %s", [ticket])
    ended = outcome(office.start(DELETE, [ticket]))
    office.finish(ended)
    assert ended == ("done" if level == READ_COMMITTED else TRY_AGAIN)
    assert invariants.broken(setup.connection) == []


@pytest.mark.parametrize("level", [REPEATABLE_READ, SERIALIZABLE])
@pytest.mark.parametrize("column", ["id", "event_id"])
def test_a_ticket_keeps_its_id_and_event_where_not_all_of_its_holders_may_be_seen(
    stage: Stage, event: int, level: str, column: str
) -> None:
    office = stage.session()
    ticket = samples.ticket(office.connection, event)
    other = samples.event(office.connection, id=2_000_000 + event)
    office.begin(level)
    moving = office.start(f"UPDATE tickets SET {column} = %s WHERE id = %s", [other, ticket])
    assert outcome(moving) == "0A000"
    office.rollback()


def test_lowering_below_what_is_held_is_refused_at_once_while_some_numbers_are_unopened(
    stage: Stage, setup: Session, event: int
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=3000)
    setup.run(MANY, [ticket, 1000])
    setup.run(
        "INSERT INTO ticket_holders (ticket_id, admission_no, firstname, lastname)"
        " SELECT %s, n, 'A', 'B' FROM generate_series(2001, 2010) AS n",
        [ticket],
    )
    # nobody is waited for, so neither the one nor the other is reached
    office = stage.session(lock_timeout="1min", statement_timeout="5s")
    assert outcome(office.start(LOWER, [1005, ticket])) == "OE104"
    office.run(LOWER, [1010, ticket])
