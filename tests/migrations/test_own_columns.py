"""An installation's own columns and foreign keys, whatever their names and number, come through the migrations and back with their rows."""

from __future__ import annotations

from string import ascii_lowercase
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import schema
from oeventdb.demo.loading import LOADING_ORDER, load
from tests.legacy import digest
from tests.legacy.generator import Size, generate

if TYPE_CHECKING:
    from collections.abc import Iterator

BADGES = """
CREATE TABLE badges (id int PRIMARY KEY, holder_id bigint REFERENCES ticket_holders ON DELETE CASCADE);
INSERT INTO badges SELECT id, id FROM ticket_holders
"""


@pytest.fixture
def connection(legacy: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to a dirty legacy database with a table that points at its holders."""
    with psycopg.connect(legacy, autocommit=True) as connection:
        load(connection, generate(0, Size(events=15, holders=80, feedback=80)))
        connection.execute(BADGES)
        yield connection


def test_a_column_may_have_the_name_of_an_alias(legacy: str, connection: psycopg.Connection) -> None:
    tables = [*LOADING_ORDER, "badges"]
    for table in tables:
        columns = ", ".join(f"ADD COLUMN {letter} int NOT NULL DEFAULT 7" for letter in ascii_lowercase)
        connection.execute(f"ALTER TABLE {table} {columns}".encode())
    before = digest.rows(connection, tables)
    schema.migrate(legacy)
    journaled = (
        "SELECT count(*) FROM oeventdb_internal.journal WHERE caused_by IS NOT NULL AND old_row ->> 'd' = '7'"
    )
    assert connection.execute(journaled).fetchone() != (0,)
    for statement in (
        "SELECT count(*) > 0 FROM oeventdb.search_documents()",
        "SELECT count(*) > 0 FROM public.events AS e, oeventdb.event_tickets(e.id) WHERE e.deleted_at IS NULL",
    ):
        assert connection.execute(statement.encode()).fetchone() == (True,)
    schema.rollback(legacy, to="0001")
    assert digest.rows(connection, tables) == before


SWAPS = """
CREATE TABLE swaps (
    a bigint REFERENCES ticket_holders ON DELETE CASCADE, b bigint REFERENCES ticket_holders ON DELETE CASCADE
);
CREATE TABLE transfers (
    id int PRIMARY KEY,
    a bigint REFERENCES ticket_holders ON DELETE SET NULL, b bigint REFERENCES ticket_holders ON DELETE SET NULL,
    c bigint REFERENCES ticket_holders ON DELETE CASCADE
);
INSERT INTO swaps SELECT h.id, o.id FROM ticket_holders AS h, ticket_holders AS o WHERE (h.id + o.id) % 7 = 0;
INSERT INTO swaps SELECT * FROM swaps;
INSERT INTO transfers SELECT row_number() OVER (), a, b, CASE WHEN a % 2 = 0 THEN b END FROM swaps;
CREATE TABLE z_badges (id int PRIMARY KEY, holder_id bigint CONSTRAINT z REFERENCES ticket_holders ON DELETE CASCADE);
CREATE TABLE stickers (
    badge_id int REFERENCES z_badges ON DELETE CASCADE,
    holder_id bigint CONSTRAINT a REFERENCES ticket_holders ON DELETE CASCADE
);
INSERT INTO z_badges SELECT id, id FROM ticket_holders;
INSERT INTO stickers SELECT id, id FROM ticket_holders;
"""


def test_a_row_that_several_keys_reach_comes_back_once(legacy: str, connection: psycopg.Connection) -> None:
    connection.execute(SWAPS.encode())
    tables = ["ticket_holders", "swaps", "transfers", "z_badges", "stickers"]
    before = digest.rows(connection, tables)
    schema.migrate(legacy)
    assert digest.rows(connection, tables) != before
    schema.rollback(legacy, to="0001")
    assert digest.rows(connection, tables) == before
    assert connection.execute("SELECT to_regclass('oeventdb_internal.journal')").fetchone() == (None,)
