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
from tests.migrations.surroundings import query, run

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


def test_a_null_of_json_comes_back_where_no_other_is_taken(
    legacy: str, connection: psycopg.Connection
) -> None:
    for table in ("ticket_holders", "badges"):
        added = (
            "ADD COLUMN answers jsonb NOT NULL DEFAULT 'null', ADD COLUMN notes json NOT NULL DEFAULT 'null'"
        )
        connection.execute(f"ALTER TABLE {table} {added}".encode())
    before = digest.rows(connection, ["ticket_holders", "badges"])
    schema.migrate(legacy)
    assert digest.rows(connection, ["badges"])["badges"] != before["badges"]
    schema.rollback(legacy, to="0001")
    assert digest.rows(connection, ["ticket_holders", "badges"]) == before


def test_rows_of_a_table_that_inherits_stay_where_they_are(
    legacy: str, connection: psycopg.Connection
) -> None:
    connection.execute("CREATE TABLE old_badges () INHERITS (badges)")
    connection.execute("INSERT INTO old_badges SELECT -id, id FROM ticket_holders")
    before = digest.rows(connection, ["badges", "old_badges"])
    schema.migrate(legacy)
    assert digest.rows(connection, ["old_badges"])["old_badges"] == before["old_badges"]
    schema.rollback(legacy, to="0001")
    assert digest.rows(connection, ["badges", "old_badges"]) == before


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


KEYS = [
    "ALTER TABLE events RENAME CONSTRAINT events_discount_code_id_fkey TO fk_ev_dc",
    'ALTER TABLE ticket_holders RENAME CONSTRAINT ticket_holders_ticket_id_fkey TO "Holder\'s ticket"',
    "COMMENT ON CONSTRAINT \"Holder's ticket\" ON ticket_holders IS 'since 2015'",
    "ALTER TABLE orders_tickets RENAME CONSTRAINT orders_tickets_ticket_id_fkey TO line",
    "COMMENT ON CONSTRAINT feedback_event_id_fkey ON feedback IS 'stays'",
]
TWICE = [
    "ALTER TABLE ticket_holders ADD CONSTRAINT again FOREIGN KEY (ticket_id) REFERENCES tickets ON DELETE CASCADE",
    "ALTER TABLE orders_tickets ADD CONSTRAINT again FOREIGN KEY (ticket_id) REFERENCES tickets ON UPDATE CASCADE ON DELETE CASCADE",
    "ALTER TABLE events ADD CONSTRAINT a FOREIGN KEY (discount_code_id) REFERENCES discount_codes ON DELETE CASCADE DEFERRABLE",
]
OWN_KEYS = [
    "ALTER TABLE ticket_holders ADD COLUMN upgraded_from bigint CONSTRAINT upgraded REFERENCES tickets ON DELETE CASCADE",
    "ALTER TABLE events ADD COLUMN next_code_id bigint CONSTRAINT next_code REFERENCES discount_codes",
]
COMMENTS = "SELECT conname::text, obj_description(oid) FROM pg_constraint WHERE obj_description(oid) IN ('since 2015', 'stays') ORDER BY 1"


def test_foreign_keys_have_their_names_and_comments_again(
    legacy: str, connection: psycopg.Connection
) -> None:
    for statement in KEYS:
        connection.execute(statement.encode())
    before = digest.shape(connection, LOADING_ORDER), connection.execute(COMMENTS).fetchall()
    schema.migrate(legacy)
    schema.rollback(legacy, to="0001")
    assert (digest.shape(connection, LOADING_ORDER), connection.execute(COMMENTS).fetchall()) == before
    assert connection.execute("SELECT to_regclass('oeventdb_internal.journal')").fetchone() == (None,)


def test_foreign_keys_that_are_there_twice_come_back_twice(
    legacy: str, connection: psycopg.Connection
) -> None:
    for statement in TWICE:
        connection.execute(statement.encode())
    before = digest.shape(connection, LOADING_ORDER)
    schema.migrate(legacy)
    schema.rollback(legacy, to="0001")
    assert digest.shape(connection, LOADING_ORDER) == before
    assert connection.execute("SELECT to_regclass('oeventdb_internal.journal')").fetchone() == (None,)


def test_foreign_keys_of_own_columns_stay(legacy: str, connection: psycopg.Connection) -> None:
    for statement in OWN_KEYS:
        connection.execute(statement.encode())
    schema.migrate(legacy)
    kept = "SELECT conname::text FROM pg_constraint WHERE conname IN ('upgraded', 'next_code') ORDER BY 1"
    assert connection.execute(kept).fetchall() == [("next_code",), ("upgraded",)]


def test_a_constraint_that_old_codes_may_break_keeps_its_comment(dirty: str) -> None:
    schema.migrate(dirty)
    run(
        dirty,
        "ALTER TABLE discount_codes ADD CONSTRAINT named CHECK (code <> 'A') NOT VALID",
        "COMMENT ON CONSTRAINT named ON discount_codes IS 'it''s over'",
    )
    schema.rollback(dirty, to="0009")
    comment = "SELECT obj_description(oid, 'pg_constraint'), convalidated FROM pg_constraint WHERE conname = 'named'"
    assert query(dirty, comment) == [("it's over", False)]
    assert query(dirty, "SELECT tickets FROM discount_codes") == [(" 1,",)]
