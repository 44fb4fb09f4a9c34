"""What the migrations removed or changed: the journal, and putting things back from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row

from oeventdb import errors
from oeventdb.connection import readable, value
from oeventdb.errors import Refused


@dataclass(frozen=True)
class JournalEntry:
    """One row of the journal, without the old row itself."""

    id: int
    migration: str
    table: str
    key: str
    reason: str
    journaled_at: datetime
    restored_at: datetime | None


@dataclass(frozen=True)
class JournalDetail(JournalEntry):
    """One row of the journal with the old row, whether it is still there, and what restoring does."""

    old_row: dict[str, Any]
    current_row: dict[str, Any] | None
    needs: str


# As journaled_table does, which is not for everybody who may read the journal.
_TABLE = """
SELECT n.nspname, c.relname
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN pg_catalog.parse_ident(%(table)s) AS p (names)
WHERE ARRAY[n.nspname, c.relname]::text[]
    = CASE WHEN pg_catalog.cardinality(p.names) = 1 THEN pg_catalog.array_prepend('public', p.names) ELSE p.names END
"""

_ENTRY = "id, migration, table_name AS table, key, reason, journaled_at, restored_at"


def _require_journal(connection: psycopg.Connection[Any]) -> None:
    if not value(connection, "SELECT pg_catalog.to_regclass('oeventdb_internal.journal') IS NOT NULL"):
        raise Refused(
            "this database has no journal yet",
            hint="it begins with the first migrations: run `oeventdb migrate`",
        )


def journal_list(
    connection: psycopg.Connection[Any],
    *,
    table: str | None = None,
    migration: str | None = None,
    limit: int | None = None,
) -> list[JournalEntry]:
    """The journal by id, all of it or that of one table or migration; not what was restored.

    Raises Refused where the migrations have not made a journal.
    """
    _require_journal(connection)
    with readable(connection, row_factory=class_row(JournalEntry)) as cursor:
        return cursor.execute(
            f"SELECT {_ENTRY} FROM oeventdb_internal.journal"  # noqa: S608 - a constant
            " WHERE restored_at IS NULL AND (%(table)s::text IS NULL OR table_name = %(table)s)"
            " AND (%(migration)s::text IS NULL OR migration = %(migration)s) ORDER BY id LIMIT %(limit)s",
            {"table": table, "migration": migration, "limit": limit},
        ).fetchall()


def _detail(connection: psycopg.Connection[Any], journal_id: int) -> dict[str, Any]:
    with readable(connection, row_factory=dict_row) as cursor:
        entry: dict[str, Any] | None = cursor.execute(
            f"SELECT {_ENTRY}, old_row FROM oeventdb_internal.journal WHERE id = %s",  # noqa: S608 - a constant
            [journal_id],
        ).fetchone()
    if entry is None:
        raise errors.NotFound(
            f"journal entry {journal_id} does not exist",
            detail={"resource": "journal_entry", "id": journal_id},
            hint="`oeventdb quarantine list` shows those that are not restored yet.",
        )
    return entry


def _current_row(connection: psycopg.Connection[Any], entry: dict[str, Any]) -> dict[str, Any] | None:
    """The row with the id of an old row, as it is now; of tables whose key is their id."""
    old_id = entry["old_row"].get("id")
    table = connection.execute(_TABLE, {"table": entry["table"]}).fetchone()
    if old_id is None or table is None:
        return None
    with readable(connection) as cursor:
        found = cursor.execute(
            sql.SQL("SELECT pg_catalog.to_jsonb(t.*) FROM {} AS t WHERE id = %s").format(
                sql.Identifier(*table)
            ),
            # a text, which the server reads as whatever the id is
            [str(old_id)],
        ).fetchone()
    return None if found is None else found[0]


def _needs(connection: psycopg.Connection[Any], entry: dict[str, Any]) -> str:
    """What stands in the way of restoring an entry: it is tried, and rolled back again."""
    if entry["restored_at"] is not None:
        return f"was done at {entry['restored_at']:%Y-%m-%d %H:%M:%S%z}"
    try:
        with connection.transaction(force_rollback=True):
            _restore(connection, entry["id"])
    except Refused as refusal:
        return f"is refused now: {refusal}"
    except psycopg.errors.InsufficientPrivilege:
        return "takes the owner of the tables; whether the rules allow it cannot be tried as this role"
    except psycopg.Error as refusal:
        message = " ".join((refusal.diag.message_primary or str(refusal)).split())
        return f"is refused now: {refusal.sqlstate} {message}"
    return "is possible now"


def _restore(connection: psycopg.Connection[Any], journal_id: int) -> None:
    if not value(
        connection,
        "SELECT pg_catalog.to_regprocedure('oeventdb_internal.restore_journaled(bigint)') IS NOT NULL",
    ):
        raise Refused(
            "this database cannot restore yet", hint="apply the pending migrations: run `oeventdb migrate`"
        )
    connection.execute("SELECT FROM oeventdb_internal.restore_journaled(%s)", [journal_id])


def journal_show(connection: psycopg.Connection[Any], journal_id: int) -> JournalDetail:
    """One entry with the whole old row, the row as it is now, and what stands in the way of restoring it.

    Raises NotFound for an entry that does not exist, Refused where there is no journal.
    """
    _require_journal(connection)
    entry = _detail(connection, journal_id)
    return JournalDetail(
        **entry, current_row=_current_row(connection, entry), needs=_needs(connection, entry)
    )


def journal_restore(connection: psycopg.Connection[Any], journal_id: int) -> JournalEntry:
    """Put back what an entry keeps, in the caller's transaction; returns the entry.

    Raises NotFound for an entry that does not exist, InvalidArgument for one that was restored
    before or has nothing to put back, the error of the rule that is in the way, and Refused
    where the database has no journal or not yet the functions to restore with.
    """
    _require_journal(connection)
    with errors.translated():
        _restore(connection, journal_id)
    entry = _detail(connection, journal_id)
    del entry["old_row"]
    return JournalEntry(**entry)


@dataclass(frozen=True)
class JournalReason:
    """How many entries of a table were journaled for one reason, and the first of them."""

    table: str
    reason: str
    entries: int
    first_id: int


def journal_summary(connection: psycopg.Connection[Any]) -> list[JournalReason]:
    """What is in quarantine, by table and reason; not what was restored.

    Raises Refused where the migrations have not made a journal.
    """
    _require_journal(connection)
    with connection.cursor(row_factory=class_row(JournalReason)) as cursor:
        return cursor.execute(
            "SELECT table_name AS table, reason, pg_catalog.count(*) AS entries, pg_catalog.min(id) AS first_id"
            " FROM oeventdb_internal.journal WHERE restored_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2"
        ).fetchall()
