"""Databases of other languages and encodings than UTF-8, and of none."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from oeventdb import schema
from tests.migrations.surroundings import ROWS, query, run

TURKISH = (
    "CREATE DATABASE {} LOCALE_PROVIDER icu ICU_LOCALE 'tr' LOCALE 'C' ENCODING 'UTF8' TEMPLATE template0"
)


def test_codes_are_the_same_whatever_their_case_in_a_database_that_knows_another_i(empty: str) -> None:
    name = sql.Identifier("oeventdb_test_turkish")
    try:
        run(empty, sql.SQL(TURKISH).format(name).as_string())
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server has no ICU")
    try:
        dsn = make_conninfo(empty, dbname=name.as_string().strip('"'))
        schema.migrate(dsn, to="0001")
        again = "SELECT 2, 'first', type, value, used_for, event_id FROM discount_codes WHERE id = 1"
        run(
            dsn,
            ROWS,
            "UPDATE discount_codes SET code = 'FIRST', is_active = true",
            f"INSERT INTO discount_codes (id, code, type, value, used_for, event_id) {again}",
        )
        with schema.connect(dsn, autocommit=True) as connection:
            audited = {result.rule: result.sample for result in schema.audit(connection)}
        assert audited["discount_code_duplicate"] == ["2"]
        schema.migrate(dsn)
        assert query(
            dsn, "SELECT lower('FIRST') = 'first', array_agg(id) FROM discount_codes WHERE is_duplicate"
        ) == [(False, [2])]
        found = query(dsn, "SELECT id FROM oeventdb_internal.find_discount_code(1, 'First', now())")
        assert found == [(1,)]
        with pytest.raises(psycopg.errors.UniqueViolation):
            run(
                dsn,
                "INSERT INTO discount_codes (code, type, value, used_for, event_id) VALUES ('fIRST', 'percent', 1, 'ticket', 1)",
            )
    finally:
        run(empty, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name).as_string())


CAFE = "UPDATE events SET state = 'published', description = 'café'"


def described(dsn: str) -> list[tuple[object, ...]]:
    """Return the descriptions that are searched."""
    with schema.connect(dsn, autocommit=True) as connection:
        return connection.execute(
            "SELECT document ->> 'description' FROM oeventdb.search_documents()"
        ).fetchall()


def test_a_database_of_another_encoding_than_utf_8_is_migrated(empty: str) -> None:
    name = "oeventdb_test_encoding_latin1"
    run(empty, f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        dsn = make_conninfo(empty, dbname=name)
        schema.migrate(dsn, to="0001")
        run(dsn, ROWS)
        with schema.connect(dsn, autocommit=True) as connection:
            connection.execute(CAFE)
        schema.migrate(dsn)
        assert described(dsn) == [("café",)]
        assert schema.rollback(dsn, to="0001")[-1] == "0002.foundations"
    finally:
        run(empty, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def test_a_database_without_encoding_is_migrated_and_what_is_no_utf_8_in_it_is_audited_and_listed(
    empty: str,
) -> None:
    name = "oeventdb_test_encoding_any_bytes"
    run(empty, f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    try:
        dsn = make_conninfo(empty, dbname=name)
        schema.migrate(dsn, to="0001")
        run(
            dsn,
            ROWS,
            CAFE,
            r"UPDATE ticket_holders SET lastname = E'Caf\xe9'",
            r"UPDATE discount_codes SET tickets = E'1,\xa0 é'",
        )
        everyone = "SELECT md5(string_agg(h::text, '' ORDER BY id)) FROM ticket_holders AS h"
        before = query(dsn, everyone)
        with schema.connect(dsn, autocommit=True) as connection:
            audited = {result.rule: result.sample for result in schema.audit(connection)}
        assert audited["discount_code_tickets_unknown"] == ["1:\ufffd é"]
        schema.migrate(dsn)
        assert described(dsn) == [("café",)]
        with schema.connect(dsn) as connection:
            entries = {entry.key: entry.id for entry in schema.journal_list(connection)}
            assert schema.journal_show(connection, entries["1:\ufffd é"]).old_row["ticket_id"] == "\ufffd é"
            assert schema.journal_show(connection, entries["5"]).old_row["lastname"] == "Caf\ufffd"
            assert connection.execute("SHOW client_encoding").fetchone() == ("UTF8",)
            connection.execute("UPDATE tickets SET quantity = 3")
            assert schema.journal_restore(connection, entries["5"]).key == "5"
        schema.rollback(dsn, to="0001")
        assert query(dsn, everyone) == before
    finally:
        run(empty, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
