"""The ledger: what has been applied to a database, and whether this package may go on from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from psycopg import errors
from psycopg.rows import class_row

from oeventdb import __version__
from oeventdb.connection import value
from oeventdb.errors import Refused
from oeventdb.resources import db_path
from oeventdb.schema.preconditions import require_empty

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from oeventdb.schema.scripts import Migration

# Not to_regclass: that raises where the role may not look into the schema.
_EXISTS = """
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'oeventdb_internal' AND c.relname = 'ledger'
)
"""

_READ = """
SELECT id, hash, started_at, finished_at, applied_by, seconds, package_version, adopted
FROM oeventdb_internal.ledger
ORDER BY id
"""

_APPLIED = """
INSERT INTO oeventdb_internal.ledger (id, hash, started_at, finished_at, seconds, package_version)
VALUES (
    %s, %s, pg_catalog.now(), pg_catalog.clock_timestamp(),
    EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.now()), %s
)
"""

_STARTED = """
INSERT INTO oeventdb_internal.ledger (id, hash, package_version)
VALUES (%s, %s, %s)
ON CONFLICT (id) DO UPDATE
SET finished_at = NULL, seconds = NULL, applied_by = SESSION_USER, package_version = EXCLUDED.package_version
"""

_FINISHED = """
UPDATE oeventdb_internal.ledger
SET finished_at = pg_catalog.clock_timestamp(), seconds = %s
WHERE id = %s
"""

_REOPENED = "UPDATE oeventdb_internal.ledger SET finished_at = NULL WHERE id = %s"

_ADOPTED = """
INSERT INTO oeventdb_internal.ledger (id, hash, finished_at, seconds, package_version, adopted)
VALUES (%s, %s, pg_catalog.clock_timestamp(), 0, %s, true)
"""

_REMOVED = "DELETE FROM oeventdb_internal.ledger WHERE id = %s"


@dataclass(frozen=True)
class Entry:
    """A row of the ledger; `finished_at` None = interrupted, `seconds` is the time it took."""

    id: str
    hash: str
    started_at: datetime
    finished_at: datetime | None
    applied_by: str
    seconds: float | None
    package_version: str
    adopted: bool


def read(connection: psycopg.Connection[TupleRow]) -> list[Entry]:
    """Return the ledger in the order of ids; empty where the database has none.

    Raises Refused for a role that may not read it.
    """
    if not exists(connection):
        return []
    try:
        with connection.cursor(row_factory=class_row(Entry)) as cursor:
            return cursor.execute(_READ).fetchall()
    except errors.InsufficientPrivilege:
        raise Refused(
            f"{connection.info.user} may not read the ledger", hint="connect as the owner"
        ) from None


def exists(connection: psycopg.Connection[TupleRow]) -> bool:
    """Tell whether the database has a ledger."""
    return bool(value(connection, _EXISTS))


def require(connection: psycopg.Connection[TupleRow]) -> list[Entry]:
    """Return the ledger; raise Refused where the database is not one of ours."""
    if not exists(connection):
        raise Refused(
            f"database {connection.info.dbname!r} has no ledger of oeventdb",
            hint="run `oeventdb migrate` on an empty database, or `oeventdb adopt` on one of Open Event",
        )
    return read(connection)


def verified(connection: psycopg.Connection[TupleRow], migrations: list[Migration]) -> list[Entry]:
    """Return the ledger; raise Refused where this package may not go on from it, or, without one, from the database."""
    entries = read(connection)
    _verify(entries, migrations)
    if not entries:
        require_empty(connection)
    return entries


def finished(entries: list[Entry]) -> list[str]:
    """Return the migrations that are not only begun."""
    return [entry.id for entry in entries if entry.finished_at is not None]


def _verify(entries: list[Entry], migrations: list[Migration]) -> None:
    """Raise Refused unless the ledger is a beginning of this package's migrations, unedited."""
    known = {migration.id: migration for migration in migrations}
    newest = max((migration.number for migration in migrations), default=0)
    for entry in entries:
        migration = known.get(entry.id)
        if migration is None:
            _refuse_unknown(entry, newest)
        elif migration.hash != entry.hash:
            raise Refused(
                f"migration {entry.id} was edited after it was applied "
                f"({entry.started_at:%Y-%m-%d %H:%M} by {entry.applied_by}, "
                f"ledger {entry.hash[:12]}, file {migration.hash[:12]})",
                hint=f"install the package that applied it, version {entry.package_version}, "
                "or put the file back as it was",
            )
    applied = {entry.id for entry in entries}
    for position, migration in enumerate(migrations):
        later = [m.id for m in migrations[position + 1 :] if m.id in applied]
        if migration.id not in applied and later:
            raise Refused(f"migration {migration.id} is not applied, but the later {later[0]} is")
    for entry in entries[:-1]:
        if entry.finished_at is None:
            raise Refused(f"migration {entry.id} is not finished, but later ones are applied")


def _refuse_unknown(entry: Entry, newest: int) -> None:
    number = entry.id[:4]
    if number.isdigit() and int(number) > newest:
        raise Refused(
            f"the database is newer than this package: it has migration {entry.id}, "
            f"applied by oeventdb {entry.package_version}; this is {__version__}",
            hint=f"install oeventdb {entry.package_version} or newer",
        )
    raise Refused(
        f"migration {entry.id} is applied, but missing from this package",
        hint=f"it was applied by oeventdb {entry.package_version}",
    )


def bootstrap(connection: psycopg.Connection[TupleRow]) -> None:
    """Create the ledger; the caller holds the upgrade lock and a transaction."""
    if not exists(connection):
        connection.execute((db_path() / "ledger.sql").read_bytes())


def mark_applied(connection: psycopg.Connection[TupleRow], migration: Migration) -> None:
    """Record a transactional migration, in its own transaction."""
    connection.execute(_APPLIED, (migration.id, migration.hash, __version__))


def mark_started(connection: psycopg.Connection[TupleRow], migration: Migration) -> None:
    """Record that the steps of a non-transactional migration begin, or begin again."""
    connection.execute(_STARTED, (migration.id, migration.hash, __version__))


def mark_finished(connection: psycopg.Connection[TupleRow], migration: Migration, seconds: float) -> None:
    """Record that the last step is done; seconds is the time of this run."""
    connection.execute(_FINISHED, (seconds, migration.id))


def mark_adopted(connection: psycopg.Connection[TupleRow], migration: Migration) -> None:
    """Record a migration as applied whose tables were there before."""
    connection.execute(_ADOPTED, (migration.id, migration.hash, __version__))


def reopen(connection: psycopg.Connection[TupleRow], migration: Migration) -> None:
    """Record that the steps of a rollback begin."""
    connection.execute(_REOPENED, (migration.id,))


def remove(connection: psycopg.Connection[TupleRow], migration: Migration) -> None:
    """Record that a migration is undone."""
    connection.execute(_REMOVED, (migration.id,))
