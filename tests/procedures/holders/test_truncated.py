"""TRUNCATE calls no trigger of a row, and what is left can be sold all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests import samples
from tests.procedures import invariants
from tests.procedures.sessions import Stage, outcome

if TYPE_CHECKING:
    from tests.procedures.sessions import Session

SELL = "INSERT INTO ticket_holders (ticket_id, firstname, lastname) SELECT %s, 'A', 'B' FROM generate_series(1, %s)"


@pytest.mark.parametrize("quantity", [2, 2500, None])
def test_the_admissions_of_all_holders_are_free_again(
    rules: psycopg.Connection, quantity: int | None
) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=quantity)
    rules.execute(SELL, [ticket, 2])
    rules.execute("TRUNCATE ticket_holders")
    assert invariants.broken(rules) == []
    rules.execute(SELL, [ticket, 2])
    assert invariants.broken(rules) == []


@pytest.mark.parametrize("tables", ["tickets", "events"])
def test_nothing_is_left_of_tickets_for_those_that_get_their_ids(
    rules: psycopg.Connection, tables: str
) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=5000)
    rules.execute(SELL, [ticket, 2])
    rules.execute(f"TRUNCATE {tables} CASCADE".encode())
    assert invariants.broken(rules) == []
    samples.ticket(rules, samples.event(rules), id=ticket, quantity=2)
    rules.execute(SELL, [ticket, 2])
    assert invariants.broken(rules) == []


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_an_older_snapshot_is_refused(setup: Session, level: str) -> None:
    samples.ticket(setup.connection, samples.event(setup.connection))
    setup.begin(level)
    with pytest.raises(
        psycopg.errors.FeatureNotSupported, match=r"^ticket_holders is truncated under READ COMM"
    ):
        setup.run("TRUNCATE ticket_holders")
    setup.rollback()


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_a_buyer_waits_for_what_a_truncation_frees(stage: Stage, setup: Session, ending: str) -> None:
    event = samples.event(setup.connection)
    ticket = samples.ticket(setup.connection, event, quantity=2)
    setup.run(SELL, [ticket, 2])
    first, second = stage.session(), stage.session()
    first.begin()
    first.run("TRUNCATE ticket_holders")
    running = second.start(
        "SELECT FROM oeventdb.place_order(%s,"
        " jsonb_build_array(jsonb_build_object('ticket_id', %s::bigint, 'quantity', 2)), 'ada@example.org')",
        [event, ticket],
    )
    stage.blocked(second, running, by=first)
    first.run(ending)
    assert outcome(running) == ("done" if ending == "COMMIT" else "OE101")
    assert invariants.broken(setup.connection) == []


def rows_read(connection: psycopg.Connection) -> int:
    """How many free admissions this session has read that it has not reported yet."""
    row = connection.execute(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_all_tables WHERE relname = 'free_admissions'"
    ).fetchone()
    return int(row[0]) if row else 0


def test_each_admission_is_looked_for_once_whatever_is_known_about_the_tables(db: psycopg.Connection) -> None:
    """Without statistics a look by anything but a key would read all the free admissions of the ticket each time."""
    ticket = samples.ticket(db, samples.event(db), quantity=2000)
    db.execute(SELL, [ticket, 2000])
    db.execute("DELETE FROM ticket_holders WHERE id % 2 = 0")
    with db.transaction():
        before = rows_read(db)
        db.execute("TRUNCATE ticket_holders")
        assert 1000 <= rows_read(db) - before <= 2000
    assert invariants.broken(db) == []
