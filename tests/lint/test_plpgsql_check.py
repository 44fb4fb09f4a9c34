"""plpgsql_check over every function: what PL/pgSQL itself says only when a line runs, or never."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.rows import class_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Databases

# Debian has the extension for this version, and CI installs it.
CHECKED_ON = 150000

ALLOWED = {
    ("*", "Hidden casting can be a performance issue."): (
        "a cast of one value, not of a row of a query, costs nothing that could be measured; and columns of"
        " an adopted database are varchar and integer where ours are text and bigint"
    ),
    ("oeventdb_internal.fail", "routine is marked as VOLATILE, should be IMMUTABLE"): (
        "raising is all it does: an IMMUTABLE one might be called while a query is planned"
    ),
    ("oeventdb_internal.claim_admissions", "control reached end of function without RETURN"): (
        "its loop is left by RETURN only"
    ),
    ("oeventdb_internal.insert_old_row", "text type variable is not sanitized"): (
        "old_row_columns joins them from what format made with %I"
    ),
    ("oeventdb_internal.restore_dependent", "text type variable is not sanitized"): (
        "its parts are joined from what format made with %I"
    ),
    ("oeventdb_internal.restore_column", "text type variable is not sanitized"): (
        "the statement was written by PostgreSQL, or by column_statements with %I, into a table of the owner's"
    ),
    ("oeventdb_internal.restore_values", "text type variable is not sanitized"): (
        "v_assignments is joined from what format made with %I"
    ),
}
"""What may be found: function (or *) and message or hint, and why it is no fault."""

# Every trigger function is checked with every table that has it.
_FINDINGS = """
SELECT n.nspname || '.' || p.proname AS function, t.tgrelid::regclass::text AS relation,
       f.lineno, f.level, f.message, f.detail, f.hint
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
LEFT JOIN (SELECT DISTINCT tgfoid, tgrelid FROM pg_trigger WHERE NOT tgisinternal) AS t ON t.tgfoid = p.oid
CROSS JOIN LATERAL plpgsql_check_function_tb(
    p.oid, coalesce(t.tgrelid, 0), fatal_errors => false, other_warnings => true,
    performance_warnings => true, security_warnings => true, extra_warnings => true
) AS f
WHERE n.nspname IN ('oeventdb', 'oeventdb_internal')
  AND (p.prorettype <> 'trigger'::regtype OR t.tgrelid IS NOT NULL)
ORDER BY 1, 2, f.lineno
"""

_TRIGGER_FUNCTIONS_OF_NO_TABLE = """
SELECT p.oid::regprocedure::text FROM pg_proc AS p
WHERE p.pronamespace IN ('oeventdb'::regnamespace, 'oeventdb_internal'::regnamespace)
  AND p.prorettype = 'trigger'::regtype AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgfoid = p.oid)
"""


@dataclass(frozen=True)
class Finding:
    """A row of plpgsql_check; `relation` is the table of a trigger."""

    function: str
    relation: str | None
    lineno: int | None
    level: str
    message: str
    detail: str | None
    hint: str | None

    @property
    def allowances(self) -> set[tuple[str, str]]:
        """The entries of ALLOWED that cover it."""
        names = {(name, text) for name in ("*", self.function) for text in (self.message, self.hint or "")}
        return names & ALLOWED.keys()

    def __str__(self) -> str:
        on = f" on {self.relation}" if self.relation else ""
        return f"{self.function}{on}, line {self.lineno}: {self.level}: {self.message} ({self.detail or self.hint})"


@pytest.fixture(scope="module")
def connection(migrated_template: str, databases: Databases) -> Iterator[psycopg.Connection]:
    """Return a connection to a migrated database with the extension."""
    with psycopg.connect(databases.create(migrated_template), autocommit=True) as opened:
        if not opened.execute("SELECT FROM pg_available_extensions WHERE name = 'plpgsql_check'").fetchall():
            required = os.environ.get("OEVENTDB_REQUIRE_SERVERS") == "1"
            if required and CHECKED_ON <= opened.info.server_version < CHECKED_ON + 10000:
                pytest.fail(
                    "plpgsql_check is missing: apt-get install postgresql-15-plpgsql-check", pytrace=False
                )
            pytest.skip("this server has no plpgsql_check; Debian's PostgreSQL 15 can have it")
        opened.execute("CREATE EXTENSION plpgsql_check")
        yield opened


@pytest.fixture(scope="module")
def findings(connection: psycopg.Connection) -> list[Finding]:
    """Everything plpgsql_check has to say about our functions, all its warnings on."""
    return connection.cursor(row_factory=class_row(Finding)).execute(_FINDINGS).fetchall()


def test_nothing_is_found_but_what_is_allowed(findings: list[Finding]) -> None:
    assert [str(f) for f in findings if not f.allowances] == []


def test_everything_allowed_is_still_found(findings: list[Finding]) -> None:
    used = {allowance for f in findings for allowance in f.allowances}
    assert ALLOWED.keys() - used == set()


def test_every_trigger_function_has_a_table_to_be_checked_with(connection: psycopg.Connection) -> None:
    assert connection.execute(_TRIGGER_FUNCTIONS_OF_NO_TABLE).fetchall() == []


def test_a_fault_in_a_function_is_found(connection: psycopg.Connection) -> None:
    """The query reaches every function, and an error is none of what is allowed."""
    with connection.transaction(force_rollback=True):
        connection.execute(
            "CREATE FUNCTION oeventdb_internal.faulty() RETURNS bigint LANGUAGE plpgsql AS"
            " 'BEGIN RETURN (SELECT e.no_such_column FROM public.events AS e); END'"
        )
        found = connection.cursor(row_factory=class_row(Finding)).execute(_FINDINGS).fetchall()
    assert {f.function for f in found if not f.allowances} == {"oeventdb_internal.faulty"}
