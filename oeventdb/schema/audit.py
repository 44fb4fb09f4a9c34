"""Counts the rows that break a rule, on a legacy database and on a migrated one, and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from oeventdb.connection import readable, unhindered
from oeventdb.errors import Refused
from oeventdb.progress import Report, silent
from oeventdb.resources import db_path

SAMPLE_SIZE = 5
"""How many keys of violators are returned with their number."""

_TABLE = "-- table: "

# A CTE is not inlined here: the rows are found once, counted and, the few least keys of them, picked.
_WRAPPED = """
WITH violation AS MATERIALIZED (
{query}
)
SELECT
    (SELECT count(*) FROM violation),
    ARRAY(SELECT key FROM violation ORDER BY length(key), key COLLATE "C" LIMIT {sample})
"""


@dataclass(frozen=True)
class Rule:
    """A rule of db/audit: a query that finds the keys of the rows that break it."""

    name: str
    table: str
    sentence: str
    query: str


@dataclass(frozen=True)
class AuditResult:
    """How many rows of a table break a rule, and the least keys of some of them."""

    rule: str
    table: str
    violations: int
    sample: list[str]


def read_rule(path: Path) -> Rule:
    """Read a file of db/audit: the first line is the rule, the second the table.

    Raises ValueError where they are not there.
    """
    query = path.read_text(encoding="utf-8")
    sentence, table = [*query.split("\n", 2), "", ""][:2]
    if not sentence.startswith("-- ") or not table.startswith(_TABLE):
        raise ValueError(f"{path.name} does not start with its rule and its table")
    return Rule(path.stem, table.removeprefix(_TABLE).strip(), sentence.removeprefix("-- "), query.rstrip())


def rules() -> list[Rule]:
    """Every rule, by table and name."""
    found = [read_rule(path) for path in (db_path() / "audit").glob("*.sql")]
    return sorted(found, key=lambda rule: (rule.table, rule.name))


@contextmanager
def _one_snapshot(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """A read-only transaction whose statements all see the database at one moment; always rolled back."""
    with connection.transaction(force_rollback=True):
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        unhindered(connection)
        yield


def _require_tables(connection: psycopg.Connection[Any], wanted: list[Rule]) -> None:
    """Raise Refused where a table is missing: then it is no Open Event database."""
    tables = sorted({rule.table for rule in wanted})
    found = connection.execute(
        "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass('public.' || quote_ident(name)) IS NULL",
        [tables],
    ).fetchall()
    if found:
        names = ", ".join(row[0] for row in found)
        raise Refused(
            f"this is no Open Event database: without {names} in schema public",
            hint="check the DSN; `oeventdb migrate` makes the tables in an empty database",
        )


def audit(
    connection: psycopg.Connection[Any],
    *,
    progress: Report = silent,
) -> list[AuditResult]:
    """Run every rule in one read-only transaction, which sees the database at one moment.

    The connection must not be in a transaction. Rules that nothing breaks are in the result, too.
    Raises Refused where the legacy tables are not there.
    """
    wanted = rules()
    results: list[AuditResult] = []
    with _one_snapshot(connection), readable(connection) as cursor:
        _require_tables(connection, wanted)
        for done, rule in enumerate(wanted):
            progress("audit", done, len(wanted))
            wrapped = sql.SQL(_WRAPPED).format(query=sql.SQL(rule.query), sample=sql.Literal(SAMPLE_SIZE))
            row = cursor.execute(wrapped).fetchone()
            assert row is not None  # noqa: S101 - an aggregate always answers
            results.append(AuditResult(rule.name, rule.table, row[0], row[1]))
        progress("audit", len(wanted), len(wanted))
    return results
