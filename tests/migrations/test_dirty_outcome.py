"""What becomes of dirty legacy data, row by row, against a plain account of the rules in Python."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import schema
from oeventdb.demo.loading import load
from tests.legacy import oracle
from tests.legacy.generator import Size, generate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Databases

SIZE = Size(events=15, discount_codes=120)
"""Few events, so that many codes claim the same tickets."""


@pytest.fixture(scope="module", params=range(3))
def tables(request: pytest.FixtureRequest) -> oracle.Tables:
    """The legacy rows."""
    return generate(request.param, SIZE)


@pytest.fixture(scope="module")
def migrated_dirt(
    tables: oracle.Tables, databases: Databases, legacy_template: str
) -> Iterator[psycopg.Connection]:
    """A connection to the database after the migrations; tests here only read."""
    dsn = databases.create(legacy_template)
    with psycopg.connect(dsn) as connection:
        load(connection, tables)
    schema.migrate(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection
    databases.drop(dsn)


def journal(connection: psycopg.Connection, table: str, reason: str) -> list[str]:
    rows = connection.execute(
        "SELECT key FROM oeventdb_internal.journal WHERE table_name = %s AND reason LIKE %s ORDER BY key",
        [table, reason],
    ).fetchall()
    return [row[0] for row in rows]


def test_every_rating_becomes_its_half_stars(
    tables: oracle.Tables, migrated_dirt: psycopg.Connection
) -> None:
    found: dict[int, Decimal] = dict(migrated_dirt.execute("SELECT id, rating FROM feedback").fetchall())
    assert found == {row["id"]: oracle.stars(row["rating"]) for row in tables["feedback"]}
    assert all(isinstance(value, Decimal) for value in found.values())


def test_those_beyond_the_quantity_are_journaled_and_removed(
    tables: oracle.Tables, migrated_dirt: psycopg.Connection
) -> None:
    sold = {ticket["id"] for ticket in tables["tickets"] if ticket["event_id"] is not None}
    ticket_of = {holder["id"]: holder["ticket_id"] for holder in tables["ticket_holders"]}
    # a ticket without an event has no admissions: its holders stay
    beyond = {holder for holder in oracle.oversold(tables) if ticket_of[holder] in sold}
    left = {row[0] for row in migrated_dirt.execute("SELECT id FROM ticket_holders").fetchall()}
    assert left == ticket_of.keys() - beyond
    assert set(journal(migrated_dirt, "ticket_holders", "%removed")) == {str(holder) for holder in beyond}


def test_holders_know_the_event_of_their_ticket(
    tables: oracle.Tables, migrated_dirt: psycopg.Connection
) -> None:
    wrong = migrated_dirt.execute(
        "SELECT h.id FROM ticket_holders h JOIN tickets t ON t.id = h.ticket_id WHERE h.event_id IS DISTINCT FROM t.event_id"
        " AND t.event_id IS NOT NULL"
    ).fetchall()
    assert wrong == []
    without_ticket = migrated_dirt.execute(
        "SELECT id, event_id FROM ticket_holders WHERE ticket_id IS NULL"
    ).fetchall()
    before = {row["id"]: row["event_id"] for row in tables["ticket_holders"] if row["ticket_id"] is None}
    assert dict(without_ticket) == before


def test_no_admission_is_held_twice_or_beyond_the_quantity(migrated_dirt: psycopg.Connection) -> None:
    wrong = migrated_dirt.execute(
        "SELECT h.ticket_id FROM ticket_holders h JOIN tickets t ON t.id = h.ticket_id"
        " WHERE h.admission_no IS NOT NULL GROUP BY h.ticket_id, t.quantity"
        " HAVING count(DISTINCT h.admission_no) < count(*) OR max(h.admission_no) > t.quantity OR min(h.admission_no) < 1"
    ).fetchall()
    assert wrong == []


def test_usable_ids_become_links_and_the_lowest_code_wins(
    tables: oracle.Tables, migrated_dirt: psycopg.Connection
) -> None:
    links: dict[int, int] = dict(
        migrated_dirt.execute(
            "SELECT id, discount_code_id FROM tickets WHERE discount_code_id IS NOT NULL"
        ).fetchall()
    )
    assert links == {ticket: codes[0] for ticket, codes in oracle.claims(tables).items()}


def test_every_lost_claim_is_journaled(tables: oracle.Tables, migrated_dirt: psycopg.Connection) -> None:
    lost = [f"{code}:{ticket}" for ticket, codes in oracle.claims(tables).items() for code in codes[1:]]
    assert sorted(journal(migrated_dirt, "tickets", "claim lost%")) == sorted(lost)
    assert lost


def test_every_text_of_ticket_ids_is_journaled(
    tables: oracle.Tables, migrated_dirt: psycopg.Connection
) -> None:
    texts = migrated_dirt.execute(
        "SELECT key::bigint, old_row ->> 'tickets' FROM oeventdb_internal.journal WHERE table_name = 'discount_codes'"
    ).fetchall()
    expected = {
        code["id"]: code["tickets"] for code in tables["discount_codes"] if code["tickets"] is not None
    }
    assert dict(texts) == expected


def test_other_rows_are_as_they_were(tables: oracle.Tables, migrated_dirt: psycopg.Connection) -> None:
    for table in (
        "users",
        "events",
        "orders",
        "orders_tickets",
        "association",
        "users_events_roles",
        "ticket_tag",
    ):
        row = migrated_dirt.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row == (len(tables[table]),), table
