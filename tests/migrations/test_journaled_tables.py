"""Rows of whatever table go with a removed holder, and come back to that one and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql

from oeventdb import schema
from oeventdb.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg.rows import TupleRow

    from tests.conftest import Databases

ROWS = """
INSERT INTO events (id, name, starts_at, ends_at, timezone) VALUES (1, 'one', now(), now(), 'UTC');
INSERT INTO tickets (id, name, type, quantity, sales_starts_at, sales_ends_at, event_id)
VALUES (1, 'one seat', 'free', 1, now(), now() + interval '1 day', 1);
INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id) SELECT g, 'A', 'B', 1, 1 FROM generate_series(1, 2) AS g;
"""
LONG = "x" * 63
TABLES = [
    ("crm", "badges"),
    ("crm.v2", "badges"),
    ("crm", "v2.badges"),
    ('Q"uoted', "order"),
    (LONG, LONG),
    ("public", "Badges"),
    ("public", "public.badges"),
    ("public", LONG),
]
DECOYS = [("public", "crm.badges"), ("public", "badges"), ("crm", "v2"), ("public", "crm.v2.badges")]


def execute(dsn: str, statement: str, *names: str) -> list[TupleRow]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        return cursor.fetchall() if cursor.description else []


def rows(dsn: str, tables: Sequence[tuple[str, str]]) -> list[list[TupleRow]]:
    return [execute(dsn, "SELECT id, holder_id FROM {}.{} ORDER BY id", *table) for table in tables]


def prepare(dsn: str) -> None:
    """Make a legacy database with a holder too many, badges in tables of many names, and some with similar names; migrate it."""
    execute(dsn, ROWS)
    for name in {name for name, _ in TABLES} - {"public"}:
        execute(dsn, "CREATE SCHEMA {}", name)
    for table in TABLES:
        execute(
            dsn,
            "CREATE TABLE {}.{} (id int PRIMARY KEY, holder_id bigint REFERENCES public.ticket_holders ON DELETE CASCADE)",
            *table,
        )
        execute(dsn, "INSERT INTO {}.{} VALUES (1, 1), (2, 2)", *table)
    for table in DECOYS:
        execute(dsn, "CREATE TABLE {}.{} (id int PRIMARY KEY, holder_id bigint)", *table)
    schema.migrate(dsn)
    assert rows(dsn, TABLES) == [[(1, 1)]] * len(TABLES)
    execute(dsn, "UPDATE public.tickets SET quantity = 2")


@pytest.fixture(scope="module")
def template(databases: Databases, legacy_template: str) -> str:
    return databases.template(legacy_template, prepare)


@pytest.fixture
def migrated(new_database: Callable[[str], str], template: str) -> str:
    """The DSN of that database, migrated; there is a seat for both holders now."""
    return new_database(template)


def entry(dsn: str, table: str) -> int:
    with schema.connect(dsn) as connection:
        (found,) = schema.journal_list(connection, table=table)
    return found.id


def test_rows_are_restored_into_the_tables_that_they_were_in(migrated: str) -> None:
    with schema.connect(migrated) as connection:
        schema.journal_restore(connection, entry(migrated, "ticket_holders"))
        assert schema.journal_list(connection) == []
    assert rows(migrated, TABLES) == [[(1, 1), (2, 2)]] * len(TABLES)
    assert rows(migrated, DECOYS) == [[]] * len(DECOYS)


def test_a_rollback_puts_rows_into_the_tables_that_they_were_in(migrated: str) -> None:
    schema.rollback(migrated, to="0001")
    assert rows(migrated, TABLES) == [[(1, 1), (2, 2)]] * len(TABLES)
    assert rows(migrated, DECOYS) == [[]] * len(DECOYS)
    assert execute(migrated, "SELECT to_regclass('oeventdb_internal.journal')") == [(None,)]


def test_what_is_there_now_is_shown_from_the_table_that_the_row_was_in(migrated: str) -> None:
    execute(migrated, "INSERT INTO public.{} VALUES (2, 7)", "crm.badges")
    execute(migrated, "INSERT INTO crm.badges VALUES (2, 1)")
    with schema.connect(migrated) as connection:
        shown = schema.journal_show(connection, entry(migrated, "crm.badges"))
    assert shown.current_row == {"id": 2, "holder_id": 1}


def test_rows_whose_table_is_gone_stay_in_quarantine_and_restoring_says_so(migrated: str) -> None:
    execute(migrated, "DROP TABLE crm.badges")
    badge = entry(migrated, "crm.badges")
    arguments = ["quarantine", "restore", str(entry(migrated, "ticket_holders")), "--dsn", migrated]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        (
            "1 of the rows of crm.badges that went with it stay in quarantine,"
            f" e.g. entry {badge}: the table crm.badges is gone"
        ),
        "restored ticket_holders 2",
    ]
    assert entry(migrated, "crm.badges") == badge
    assert rows(migrated, DECOYS) == [[]] * len(DECOYS)
    with schema.connect(migrated) as connection:
        assert "42P01 the table crm.badges is gone" in schema.journal_show(connection, badge).needs


def test_rows_whose_table_is_gone_stay_in_quarantine_and_rolling_back_says_so(
    migrated: str, caplog: pytest.LogCaptureFixture
) -> None:
    badge = entry(migrated, "crm.badges")
    execute(migrated, "DROP TABLE crm.badges")
    schema.rollback(migrated, to="0001")
    assert caplog.messages == [
        (
            "1 of the rows of crm.badges that went with holders stay in quarantine,"
            f" e.g. entry {badge}: the table crm.badges is gone"
        )
    ]
    assert entry(migrated, "crm.badges") == badge
    assert rows(migrated, DECOYS) == [[]] * len(DECOYS)
