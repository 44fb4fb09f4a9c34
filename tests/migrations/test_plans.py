"""Migrations may meet tables that nobody has analyzed: a backup just restored, what another migration has just written."""

from __future__ import annotations

import re

import psycopg
import pytest

from oeventdb import schema
from tests import samples
from tests.migrations.stops import migrate_stopping
from tests.waiting import until

ANALYZED = """
SELECT last_analyze IS NOT NULL FROM pg_catalog.pg_stat_user_tables
WHERE schemaname = 'oeventdb_internal' AND relname = 'journal'
"""
READ = """
SELECT seq_tup_read + COALESCE(idx_tup_fetch, 0) FROM pg_catalog.pg_stat_user_tables
WHERE schemaname = 'public' AND relname = 'orders'
"""
NOTES_READ = """
SELECT seq_tup_read FROM pg_catalog.pg_stat_user_tables
WHERE schemaname = 'oeventdb_internal' AND relname = 'holders_written'
"""
JOURNAL_BLOCKS = """
SELECT idx_blks_hit + idx_blks_read FROM pg_catalog.pg_statio_user_indexes
WHERE schemaname = 'oeventdb_internal' AND indexrelname = 'journal_migration_table_name_key'
"""


@pytest.mark.parametrize(
    "migration", ["0003.ratings", "0005.ticket-holders", "0010.drop-discount-code-tickets"]
)
def test_the_journal_has_statistics_before_it_is_joined(legacy: str, migration: str) -> None:
    """Without them 7,000 holders of another event were looked for among 12,000 one by one: for 24 seconds."""
    schema.migrate(legacy, to=migration)
    with psycopg.connect(legacy, autocommit=True) as connection:
        assert connection.execute(ANALYZED).fetchone() == (False,)
        schema.rollback(legacy)
        assert connection.execute(ANALYZED).fetchone() == (True,)


def test_a_rollback_finds_the_entry_of_each_holder_by_the_whole_key(legacy: str) -> None:
    """By the migration and the number alone it read all its entries for each holder: 30,000 of one ticket took 40 seconds."""
    with psycopg.connect(legacy, autocommit=True) as connection:
        event = samples.event(connection)
        connection.execute(
            "INSERT INTO events (name, starts_at, ends_at, timezone) SELECT 'event', now(), now(), 'UTC' FROM generate_series(1, 100)"
        )
        connection.execute(
            "INSERT INTO tickets (name, type, quantity, sales_starts_at, sales_ends_at, event_id)"
            " SELECT 'ticket ' || g, 'free', 1, now(), now(), e.id FROM events AS e CROSS JOIN generate_series(1, 10) AS g"
        )
        connection.execute(
            "INSERT INTO ticket_holders (firstname, lastname, ticket_id, event_id)"
            " SELECT 'A', 'B', %s, nullif(%s, g %% 2) FROM generate_series(1, 5000) AS g",
            (samples.ticket(connection, event, quantity=10), event),
        )
        connection.execute("ANALYZE")
        schema.migrate(legacy, to="0005")
        connection.execute("SELECT pg_catalog.pg_stat_reset()")
        schema.rollback(legacy, to="0004")
        read = connection.execute(JOURNAL_BLOCKS).fetchone()
        assert read is not None
        assert read[0] < 10 * 5000, "there are 5,000 holders; PostgreSQL 18 skips over the entries of others"


def test_orders_with_codes_are_not_read_from_end_to_end_for_every_batch(legacy: str) -> None:
    with psycopg.connect(legacy, autocommit=True) as connection:
        event = samples.event(connection)
        connection.execute(
            "INSERT INTO discount_codes (code, value, type, used_for, tickets_number, event_id)"
            " VALUES ('half', 50, 'percent', 'ticket', 10000, %s)",
            (event,),
        )
        connection.execute(
            "INSERT INTO orders (identifier, status, event_id, discount_code_id)"
            " SELECT 'order ' || g, 'completed', %s, c.id"
            " FROM discount_codes AS c CROSS JOIN generate_series(1, 3000) AS g",
            (event,),
        )
        schema.migrate(legacy, to="0008")
        connection.execute("SELECT pg_catalog.pg_stat_reset()")
        schema.migrate(legacy, to="0009")
        read = connection.execute(READ).fetchone()
        assert read is not None
        assert read[0] < 20 * 3000, "they are in 60 batches"


class Killed(Exception):
    """Ends a migration in the middle."""


def test_the_notes_of_written_holders_are_not_read_from_end_to_end_for_each_holder(legacy: str) -> None:
    """With notes of 200,000 holders each batch of 1,000 took seconds, kept clients waiting, and was cancelled for it, again and again."""
    with psycopg.connect(legacy, autocommit=True) as connection:
        event = samples.event(connection)
        for _ in range(200):
            samples.ticket(connection, event, quantity=1000)
        connection.execute(
            "INSERT INTO ticket_holders (firstname, lastname, ticket_id, event_id)"
            " SELECT 'A', 'B', %s, %s FROM generate_series(1, 1000)",
            (samples.ticket(connection, event, quantity=2000), event),
        )

    def write() -> None:
        with psycopg.connect(legacy) as connection:
            connection.execute("ALTER TABLE oeventdb_internal.holders_written SET (autovacuum_enabled = off)")
            # as whoever adds holders and deletes them leaves them
            connection.execute(
                "INSERT INTO oeventdb_internal.holders_written (holder_id)"
                " SELECT 10000 + g FROM generate_series(1, 200000) AS g"
            )

    def kill() -> None:
        raise Killed

    numbers = "CALL oeventdb_internal.number_holders()"
    with pytest.raises(Killed):
        migrate_stopping(legacy, "0005", {numbers: write, "drop_unfinished_index('ticket_event')": kill})
    with psycopg.connect(legacy, autocommit=True) as connection:

        def upgrader_gone() -> bool:
            query = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE application_name LIKE 'oeventdb%'"
            return connection.execute(query).fetchone() == (0,)

        until(upgrader_gone)
        numbered = connection.execute("SELECT count(admission_no) FROM ticket_holders").fetchone()
        assert numbered == (1000,)
        read = connection.execute(NOTES_READ).fetchone()
        assert read is not None
        assert read[0] < 20 * 200000, "there are 200,000"


def test_long_texts_take_no_time_by_the_square_of_their_words(legacy: str) -> None:
    """Each word was compared with all others: two texts of 30,000 took minutes, and take seconds."""
    with psycopg.connect(legacy, autocommit=True) as connection:
        event = samples.event(connection)
        connection.execute(
            "INSERT INTO discount_codes (code, value, type, used_for, event_id, tickets)"
            " SELECT 'long ' || c, 5, 'percent', 'ticket', %s, (SELECT string_agg(g::text, ',') FROM generate_series(1, 30000) AS g)"
            " FROM generate_series(1, 2) AS c",
            (event,),
        )
        schema.migrate(legacy, to="0009")
        connection.execute("SET statement_timeout = '60s'")
        connection.execute("CALL oeventdb_internal.link_ticket_texts()")


def test_the_links_that_were_removed_are_not_read_from_end_to_end_for_each_code(legacy: str) -> None:
    """A rollback took 40 seconds for 20,000 codes."""
    schema.migrate(legacy, to="0009")
    for migration in ("0006", "0010"):
        rollback = next(m.rollback.text for m in schema.load() if m.id.startswith(migration))
        statement = re.search(r"WITH (?:removed|words) AS .*?;", rollback, re.DOTALL)
        assert statement is not None
        with psycopg.connect(legacy) as connection:
            plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {statement[0]}".encode()))
        assert re.search(r"SubPlan(.*\n){1,4}.*CTE Scan", plan) is None, migration
