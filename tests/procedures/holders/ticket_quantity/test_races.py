"""A quantity that is lowered, or a ticket that is deleted, while somebody buys: one of the two has to give way."""

from __future__ import annotations

import pytest

from tests import samples
from tests.procedures.sessions import LEVELS, READ_COMMITTED, Session, Stage, outcome

BUY = "INSERT INTO ticket_holders (ticket_id, firstname, lastname) VALUES (%s, 'Ada', 'Lovelace')"
MANY = "INSERT INTO ticket_holders (ticket_id, firstname, lastname) SELECT %s, 'A', 'B' FROM generate_series(1, %s)"
CHOOSE = "INSERT INTO ticket_holders (ticket_id, admission_no, firstname, lastname) VALUES (%s, %s, 'A', 'B')"
LOWER = "UPDATE tickets SET quantity = %s WHERE id = %s"
DELETE = "DELETE FROM tickets WHERE id = %s"
TRY_AGAIN = "40001"

levels = pytest.mark.parametrize("level", LEVELS)
endings = pytest.mark.parametrize("first_ends", ["COMMIT", "ROLLBACK"])


@pytest.fixture
def event(setup: Session) -> int:
    """An event of this test alone."""
    return samples.event(setup.connection)


def two(stage: Stage, level: str) -> tuple[Session, Session]:
    first, second = stage.session(), stage.session()
    first.begin(level)
    second.begin(level)
    return first, second


def ends(
    stage: Stage, first: Session, first_ends: str, second: Session, statement: str, values: list[int]
) -> str:
    """How the second's statement ends, which waits for the first's transaction."""
    running = second.start(statement, values)
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    second.run("COMMIT" if ended == "done" else "ROLLBACK")
    return ended


@levels
@endings
def test_a_buyer_waits_for_a_quantity_that_is_being_lowered(
    stage: Stage, setup: Session, event: int, level: str, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=2, max_order=1)
    setup.run(BUY, [ticket])
    first, second = two(stage, level)
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
    first, second = two(stage, level)
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
    first, second = two(stage, level)
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
    first, second = two(stage, READ_COMMITTED)
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
    first, second = two(stage, READ_COMMITTED)
    first.run(BUY, [ticket])
    assert ends(stage, first, first_ends, second, LOWER, [quantity, ticket]) == "done"


@pytest.mark.parametrize("quantity", [1500, 2500, 5000])
@endings
def test_lowering_waits_for_a_buyer_who_chooses_an_unopened_number(
    stage: Stage, setup: Session, event: int, first_ends: str, quantity: int
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=1_000_000)
    first, second = two(stage, READ_COMMITTED)
    first.run(CHOOSE, [ticket, 2000])
    assert ends(stage, first, first_ends, second, LOWER, [quantity, ticket]) == "done"


@levels
@endings
def test_a_buyer_waits_for_a_ticket_that_is_being_deleted(
    stage: Stage, setup: Session, event: int, level: str, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=2, max_order=2)
    first, second = two(stage, level)
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
    first, second = two(stage, level)
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
    first, second = two(stage, READ_COMMITTED)
    first.run(BUY, [ticket])
    assert ends(stage, first, first_ends, second, LOWER, [2000, ticket]) == "done"


@endings
def test_lowering_waits_for_a_holder_who_is_being_written(
    stage: Stage, setup: Session, event: int, first_ends: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=3)
    setup.run(CHOOSE, [ticket, 3])
    first, second = two(stage, READ_COMMITTED)
    first.run("UPDATE ticket_holders SET email = 'a@example.org' WHERE ticket_id = %s", [ticket])
    assert ends(stage, first, first_ends, second, LOWER, [2, ticket]) == "done"
