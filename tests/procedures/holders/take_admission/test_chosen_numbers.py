"""A holder may be written with a number of one's choice, also one that has not been opened yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oeventdb import SoldOut
from tests import samples
from tests.procedures import invariants
from tests.procedures.sessions import READ_COMMITTED, TRY_AGAIN, levels, outcome

if TYPE_CHECKING:
    import psycopg

    from tests.procedures.conftest import Refusal
    from tests.procedures.sessions import Session, Stage

INSERT = (
    "INSERT INTO ticket_holders (firstname, lastname, ticket_id, event_id, admission_no)"
    " VALUES ('A', 'B', %s, %s, 4000)"
)
ANY = (
    "INSERT INTO ticket_holders (firstname, lastname, ticket_id) VALUES ('A', 'B', %s) RETURNING admission_no"
)
CHOSEN = "INSERT INTO ticket_holders (firstname, lastname, ticket_id, admission_no) VALUES ('A', 'B', %(ticket)s, %(number)s)"
RESIZE = "UPDATE tickets SET quantity = %s WHERE id = %s"
AVAILABLE = "SELECT held, available FROM oeventdb.ticket_availability(%s)"


@pytest.mark.parametrize("quantity", [3000, 7000])
def test_a_change_of_the_quantity_waits_for_a_number_that_is_being_cut_out(
    stage: Stage, setup: Session, quantity: int
) -> None:
    event = samples.event(setup.connection)
    ticket = samples.ticket(setup.connection, event, quantity=5000)
    guest, office = stage.session(), stage.session()
    guest.begin()
    guest.run(INSERT, [ticket, event])
    resizing = office.start(RESIZE, [quantity, ticket])
    stage.blocked(office, resizing, by=guest)
    guest.commit()
    assert outcome(resizing) == "done"
    assert setup.run(AVAILABLE, [event]) == [(1, quantity - 1)]
    assert invariants.broken(setup.connection) == []


def test_a_number_is_not_cut_out_while_the_quantity_changes(stage: Stage, setup: Session) -> None:
    event = samples.event(setup.connection)
    ticket = samples.ticket(setup.connection, event, quantity=5000)
    guest, office = stage.session(), stage.session()
    office.begin()
    office.run(RESIZE, [7000, ticket])
    inserting = guest.start(INSERT, [ticket, event])
    stage.blocked(guest, inserting, by=office)
    office.rollback()
    assert outcome(inserting) == "done"
    assert setup.run(AVAILABLE, [event]) == [(1, 4999)]
    assert invariants.broken(setup.connection) == []


@levels
@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_a_number_that_is_being_given_up_is_waited_for(
    stage: Stage, setup: Session, level: str, ending: str
) -> None:
    event = samples.event(setup.connection)
    ticket = samples.ticket(setup.connection, event, quantity=5000)
    setup.run(INSERT, [ticket, event])
    leaving, coming = stage.session(), stage.session()
    coming.begin(level)
    leaving.begin()
    leaving.run("DELETE FROM ticket_holders WHERE ticket_id = %s", [ticket])
    inserting = coming.start(INSERT, [ticket, event])
    stage.blocked(coming, inserting, by=leaving)
    leaving.run(ending)
    if ending == "ROLLBACK":
        assert outcome(inserting) == "23505"
    else:
        # an older snapshot cannot know that the number is free
        assert outcome(inserting) == ("done" if level == READ_COMMITTED else TRY_AGAIN)
    coming.run("COMMIT")
    held = int(ending == "ROLLBACK" or level == READ_COMMITTED)
    assert setup.run(AVAILABLE, [event]) == [(held, 5000 - held)]


@pytest.mark.parametrize(
    ("quantity", "change"),
    [
        (5000, "SELECT oeventdb_internal.open_next_range(%(ticket)s, %(event)s) FROM generate_series(1, 4)"),
        (3500, "UPDATE tickets SET quantity = 5000 WHERE id = %(ticket)s"),
    ],
    ids=["opened", "added"],
)
def test_a_number_that_comes_up_between_two_looks_is_taken(
    stage: Stage, setup: Session, quantity: int, change: str
) -> None:
    event = samples.event(setup.connection)
    ticket = samples.ticket(setup.connection, event, quantity=quantity)
    guest, office = stage.session(), stage.session()
    # once before, so that its functions are compiled: that would need the lock, too
    guest.run(INSERT, [samples.ticket(setup.connection, event, quantity=5000), event])
    office.begin()
    # the guest has looked among the free numbers, and is kept from looking among the others
    office.run("LOCK TABLE oeventdb_internal.admission_ranges IN ACCESS EXCLUSIVE MODE")
    inserting = guest.start(INSERT, [ticket, event])
    stage.blocked(guest, inserting, by=office)
    office.run(change, {"ticket": ticket, "event": event})
    office.commit()
    assert outcome(inserting) == "done"
    assert setup.run(AVAILABLE, [event]) == [(1, 4999), (1, 4999)]


HANDED_ON = {
    "moved on": (
        "UPDATE ticket_holders SET admission_no = CASE admission_no WHEN 1 THEN 3 ELSE 1 END"
        " WHERE ticket_id = %(ticket)s"
    ),
    "replaced": (
        "WITH gone AS ("
        "DELETE FROM ticket_holders WHERE ticket_id = %(ticket)s AND admission_no = 2 RETURNING ticket_id, admission_no"
        ") INSERT INTO ticket_holders (firstname, lastname, ticket_id, admission_no)"
        " SELECT 'C', 'D', g.ticket_id, g.admission_no FROM gone AS g"
    ),
}


@pytest.mark.parametrize("statement", HANDED_ON.values(), ids=HANDED_ON.keys())
def test_a_number_may_be_handed_on_in_one_statement(rules: psycopg.Connection, statement: str) -> None:
    event = samples.event(rules)
    ticket = samples.ticket(rules, event, quantity=3)
    for number in (1, 2):
        rules.execute(CHOSEN, {"ticket": ticket, "number": number})
    rules.execute(statement.encode(), {"ticket": ticket})
    assert rules.execute(AVAILABLE, [event]).fetchall() == [(2, 1)]
    assert invariants.broken(rules) == []
    assert rules.execute(ANY, [ticket]).fetchone() is not None
    assert invariants.broken(rules) == []


def test_a_number_is_not_chosen_in_the_statement_that_adds_it(
    rules: psycopg.Connection, refused: Refusal
) -> None:
    event = samples.event(rules)
    ticket = samples.ticket(rules, event, quantity=3)
    with refused(rules, SoldOut) as caught:
        rules.execute(
            "WITH larger AS (UPDATE tickets SET quantity = 4 WHERE id = %s RETURNING id)"
            " INSERT INTO ticket_holders (firstname, lastname, ticket_id, admission_no)"
            " SELECT 'A', 'B', l.id, 4 FROM larger AS l",
            [ticket],
        )
    assert caught.value.constraint == "ticket_holders_admission"
    assert rules.execute(AVAILABLE, [event]).fetchall() == [(0, 3)]
