"""An installation's own columns and foreign keys, whatever their names and number, come through the migrations and back with their rows."""

from __future__ import annotations

from dataclasses import dataclass
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
    from collections.abc import Sequence

    from tests.conftest import Databases

SIZE = Size(events=15, holders=80, feedback=80)
BADGES = """
CREATE TABLE badges (id int PRIMARY KEY, holder_id bigint REFERENCES ticket_holders ON DELETE CASCADE);
INSERT INTO badges SELECT id, id FROM ticket_holders;
"""
JSON = """
ALTER TABLE ticket_holders ADD COLUMN answers jsonb NOT NULL DEFAULT 'null', ADD COLUMN notes json NOT NULL DEFAULT 'null';
ALTER TABLE badges ADD COLUMN answers jsonb NOT NULL DEFAULT 'null', ADD COLUMN notes json NOT NULL DEFAULT 'null';
"""
INHERITED = """
CREATE TABLE old_badges () INHERITS (badges);
INSERT INTO old_badges SELECT -id, id FROM ticket_holders;
"""
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
KEYS = """
ALTER TABLE events RENAME CONSTRAINT events_discount_code_id_fkey TO fk_ev_dc;
ALTER TABLE ticket_holders RENAME CONSTRAINT ticket_holders_ticket_id_fkey TO "Holder's ticket";
COMMENT ON CONSTRAINT "Holder's ticket" ON ticket_holders IS 'since 2015';
ALTER TABLE orders_tickets RENAME CONSTRAINT orders_tickets_ticket_id_fkey TO line;
COMMENT ON CONSTRAINT feedback_event_id_fkey ON feedback IS 'stays';
"""
TWICE = """
ALTER TABLE ticket_holders ADD CONSTRAINT again FOREIGN KEY (ticket_id) REFERENCES tickets ON DELETE CASCADE;
ALTER TABLE orders_tickets ADD CONSTRAINT again FOREIGN KEY (ticket_id) REFERENCES tickets ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE events ADD CONSTRAINT a FOREIGN KEY (discount_code_id) REFERENCES discount_codes ON DELETE CASCADE DEFERRABLE;
"""
OWN_KEYS = """
ALTER TABLE ticket_holders ADD COLUMN upgraded_from bigint CONSTRAINT upgraded REFERENCES tickets ON DELETE CASCADE;
ALTER TABLE events ADD COLUMN next_code_id bigint CONSTRAINT next_code REFERENCES discount_codes;
"""
COMMENTS = "SELECT conname::text, obj_description(oid) FROM pg_constraint WHERE obj_description(oid) IN ('since 2015', 'stays') ORDER BY 1"
OWN_TABLES = ["badges", "old_badges", "swaps", "transfers", "z_badges", "stickers"]


@dataclass(frozen=True)
class State:
    """Digests of the rows of each table, what is defined on those of Open Event, and the comments on their keys."""

    rows: dict[str, str]
    shape: list[str]
    comments: list[tuple[str, str]]


@dataclass(frozen=True)
class Journey:
    """A database before the migrations, after them, and after their rollback."""

    before: State
    migrated: State
    back: State
    journal: str | None


def made(connection: psycopg.Connection, *scripts: str) -> None:
    """Fill a legacy database with dirty rows and a table that points at its holders, and run scripts on it."""
    load(connection, generate(0, SIZE))
    for script in (BADGES, *scripts):
        connection.execute(script.encode())


def there_and_back(dsn: str, *scripts: str, tables: Sequence[str]) -> Journey:
    """Migrate a legacy database with additions of its own, and roll it back."""
    with psycopg.connect(dsn, autocommit=True) as connection:

        def state() -> State:
            comments = connection.execute(COMMENTS).fetchall()
            rows = digest.rows(connection, [*LOADING_ORDER, *tables])
            return State(rows, digest.shape(connection, LOADING_ORDER), comments)

        made(connection, *scripts)
        before = state()
        schema.migrate(dsn)
        migrated = state()
        schema.rollback(dsn, to="0001")
        (journal,) = (
            connection.execute("SELECT to_regclass('oeventdb_internal.journal')::text").fetchone() or ()
        )
        return Journey(before, migrated, state(), journal)


def test_a_column_may_have_the_name_of_an_alias(legacy: str) -> None:
    with psycopg.connect(legacy, autocommit=True) as connection:
        made(connection)
        tables = [*LOADING_ORDER, "badges"]
        for table in tables:
            columns = ", ".join(f"ADD COLUMN {letter} int NOT NULL DEFAULT 7" for letter in ascii_lowercase)
            connection.execute(f"ALTER TABLE {table} {columns}".encode())
        before = digest.rows(connection, tables)
        schema.migrate(legacy)
        journaled = "SELECT count(*) FROM oeventdb_internal.journal WHERE caused_by IS NOT NULL AND old_row ->> 'd' = '7'"
        assert connection.execute(journaled).fetchone() != (0,)
        for statement in (
            "SELECT count(*) > 0 FROM oeventdb.search_documents()",
            "SELECT count(*) > 0 FROM public.events AS e, oeventdb.event_tickets(e.id) WHERE e.deleted_at IS NULL",
        ):
            assert connection.execute(statement.encode()).fetchone() == (True,)
        schema.rollback(legacy, to="0001")
        assert digest.rows(connection, tables) == before


@pytest.fixture(scope="module")
def journey(databases: Databases, legacy_template: str) -> Journey:
    """What became of own columns, tables and names of keys; each is about other tables or columns."""
    dsn = databases.create(legacy_template)
    return there_and_back(dsn, JSON, INHERITED, SWAPS, KEYS, tables=OWN_TABLES)


def test_a_null_of_json_comes_back_where_no_other_is_taken(journey: Journey) -> None:
    assert journey.migrated.rows["badges"] != journey.before.rows["badges"]
    for table in ("ticket_holders", "badges"):
        assert journey.back.rows[table] == journey.before.rows[table]


def test_rows_of_a_table_that_inherits_stay_where_they_are(journey: Journey) -> None:
    assert journey.migrated.rows["old_badges"] == journey.before.rows["old_badges"]
    for table in ("badges", "old_badges"):
        assert journey.back.rows[table] == journey.before.rows[table]


def test_a_row_that_several_keys_reach_comes_back_once(journey: Journey) -> None:
    for table in ("ticket_holders", "swaps", "transfers", "z_badges", "stickers"):
        assert journey.migrated.rows[table] != journey.before.rows[table]
        assert journey.back.rows[table] == journey.before.rows[table]
    assert journey.journal is None


def test_foreign_keys_have_their_names_and_comments_again(journey: Journey) -> None:
    assert journey.back.shape == journey.before.shape
    assert journey.back.comments == journey.before.comments
    assert len(journey.before.comments) == 2


def test_foreign_keys_that_are_there_twice_come_back_twice_and_those_of_own_columns_stay(legacy: str) -> None:
    journey = there_and_back(legacy, TWICE, OWN_KEYS, tables=())
    for name in ("upgraded", "next_code"):
        assert [line for line in journey.migrated.shape if f"constraint {name} " in line]
    assert journey.back.shape == journey.before.shape
    assert journey.journal is None


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
