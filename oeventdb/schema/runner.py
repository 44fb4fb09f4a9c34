"""Migrating a database forth and back.

yoyo finds and orders the SQL files and reads their directives; the rest of what yoyo does is done
here, because a database that sells tickets needs more: yoyo's hash is of a migration's name, so that
an edited file goes unnoticed; it marks a migration in another transaction than it ran in; its lock is
a row that outlives a killed process; and it waits for a table lock as long as it takes, with everybody
else queueing behind it.

A transactional migration and its mark commit together. The statements of a non-transactional one
can each be run again, so that it goes on from anywhere by running all of them again.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from oeventdb.connection import connect, conninfo, limit_waiting
from oeventdb.errors import Refused
from oeventdb.progress import Report, silent
from oeventdb.resources import db_path
from oeventdb.schema import grants, ledger, manifest, preconditions, scripts
from oeventdb.schema.lock import UpgradeLock
from oeventdb.schema.worker import NotUnique, Worker, send

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg
    from psycopg.rows import TupleRow

    from oeventdb.schema.ledger import Entry
    from oeventdb.schema.scripts import Migration, Script

_LOG = logging.getLogger(__name__)

PATIENCE = 600.0
"""Seconds to wait for another upgrader, and for the locks of one statement."""

_TRIES = 3
"""How often a migration goes through its statements when others write again what it has just made unique."""


def _unheard(migration: str) -> None:
    """Tell nobody."""


def load(directory: Path | None = None) -> list[Migration]:
    """Read and check the migrations of a directory; this package's own by default."""
    return scripts.load(directory or db_path() / "migrations")


def migrate(
    dsn: str,
    *,
    to: str | None = None,
    dry_run: bool = False,
    progress: Report = silent,
    patience: float = PATIENCE,
    directory: Path | None = None,
    done: Callable[[str], object] = _unheard,
) -> list[str]:
    """Apply what is pending, up to and including `to`; return the ids applied.

    `to` is an id or a unique beginning of one. A dry run writes nothing and returns what would
    be applied. Goes on where an interrupted run stopped; waits while another upgrader works.
    `done` is told the id of each as soon as it is applied, whatever becomes of the next.
    Raises Refused before anything is changed, MigrationFailed where a statement fails,
    DatabaseUnreachable where the server cannot be reached or is lost.
    """
    migrations = load(directory)
    last = scripts.find(migrations, to) if to is not None else None
    if dry_run:
        return [migration.id for migration in _pending(dsn, migrations, last)]
    target = conninfo(dsn)
    with UpgradeLock(target, patience) as lock:
        pending = _pending(target, migrations, last)
        if not pending:
            return []
        with Worker(target, lock, patience=patience, report=progress) as worker:
            worker.transaction(ledger.bootstrap, what="the ledger")
            for migration in pending:
                _apply(worker, migration)
                done(migration.id)
    return [migration.id for migration in pending]


def rollback(
    dsn: str,
    *,
    to: str | None = None,
    dry_run: bool = False,
    progress: Report = silent,
    patience: float = PATIENCE,
    directory: Path | None = None,
    done: Callable[[str], object] = _unheard,
) -> list[str]:
    """Undo the last migration, or all after `to`; return the ids undone, newest first.

    `to` stays applied, as after migrating to it. An adopted migration is only unmarked: its
    tables were there before. One that was interrupted is finished first, since its rollback in
    one transaction undoes the whole of it; a rollback in steps can begin anywhere.
    A dry run writes nothing and returns what would be undone. `done` and what is raised are as
    with migrate.
    """
    migrations = load(directory)
    last = scripts.find(migrations, to) if to is not None else None
    if dry_run:
        return [m.id for m in _undoable(_verified(dsn, migrations), migrations, last)]
    target = conninfo(dsn)
    with UpgradeLock(target, patience) as lock:
        entries = _verified(target, migrations)
        undoable = _undoable(entries, migrations, last)
        if not undoable:
            return []
        adopted = {entry.id for entry in entries if entry.adopted}
        halfway = {entry.id for entry in entries if entry.finished_at is None}
        with Worker(target, lock, patience=patience, report=progress) as worker:
            for migration in undoable:
                if migration.id in halfway and migration.rollback.transactional:
                    _apply(worker, migration)
                _undo(worker, migration, adopted=migration.id in adopted)
                done(migration.id)
    return [migration.id for migration in undoable]


def _verified(dsn: str, migrations: list[Migration]) -> list[Entry]:
    """Return the ledger once it and the database allow this package to go on."""
    with connect(dsn) as connection:
        connection.read_only = True
        limit_waiting(connection)
        preconditions.require_usable(connection)
        entries = ledger.verified(connection, migrations)
        preconditions.require_names(connection, scripts.indexes(_begun(migrations, entries)), begun=True)
    return entries


def _begun(migrations: list[Migration], entries: list[Entry]) -> list[Migration]:
    """Return the migrations that are in the ledger."""
    known = {entry.id for entry in entries}
    return [migration for migration in migrations if migration.id in known]


def _pending(dsn: str, migrations: list[Migration], last: Migration | None) -> list[Migration]:
    """Return what is to be applied; raise Refused where something is, and rows could not be written."""
    entries = _verified(dsn, migrations)
    done = ledger.finished(entries)
    upto = migrations if last is None else migrations[: migrations.index(last) + 1]
    pending = [migration for migration in upto if migration.id not in done]
    if pending:
        begun = _begun(pending, entries)
        new = [migration for migration in pending if migration not in begun]
        with connect(dsn) as connection:
            limit_waiting(connection)
            preconditions.require_valid_checks(connection, manifest.load())
            preconditions.require_names(connection, scripts.indexes(new))
    return pending


def _undoable(entries: list[Entry], migrations: list[Migration], last: Migration | None) -> list[Migration]:
    applied = _begun(migrations, entries)
    if last is None:
        return applied[-1:]
    if last not in applied:
        raise Refused(f"migration {last.id} is not applied, so nothing can be undone down to it")
    return applied[: applied.index(last) : -1]


def _apply(worker: Worker, migration: Migration) -> None:
    if migration.apply.transactional:

        def whole(connection: psycopg.Connection[TupleRow]) -> None:
            _execute_all(worker, connection, migration.id, migration.apply)
            ledger.mark_applied(connection, migration)
            grants.regrant(connection)

        worker.transaction(whole, what=migration.id)
        return
    started = time.monotonic()
    done = _begin(worker, migration)
    for tries_left in reversed(range(_TRIES)):
        try:
            _step_through(worker, migration.id, migration.apply, after=done)
            break
        except NotUnique as error:
            if not tries_left:
                raise
            _LOG.info("%s: going through %s again", error, migration.id)
    seconds = time.monotonic() - started

    def finish(connection: psycopg.Connection[TupleRow]) -> None:
        ledger.mark_finished(connection, migration, seconds)
        grants.regrant(connection)

    worker.transaction(finish, what=migration.id)


def _begin(worker: Worker, migration: Migration) -> int:
    """Note the start, with the first statement where it may be in a transaction; return how many statements are done.

    A migration that refuses in that one has not begun, and needs no undoing.
    """
    worker.report(migration.id, 0, len(migration.apply.statements))
    first = [statement for statement in migration.apply.statements[:1] if not statement.runs_alone]

    def begin(connection: psycopg.Connection[TupleRow]) -> None:
        ledger.mark_started(connection, migration)
        send(connection, first)

    worker.transaction(begin, what=_numbered(migration.id, migration.apply, 1, 1))
    return len(first)


def _undo(worker: Worker, migration: Migration, *, adopted: bool) -> None:
    what = f"rollback of {migration.id}"

    def forget(connection: psycopg.Connection[TupleRow]) -> None:
        ledger.remove(connection, migration)
        grants.regrant(connection)

    if adopted:
        worker.transaction(forget, what=what)
    elif migration.rollback.transactional:

        def whole(connection: psycopg.Connection[TupleRow]) -> None:
            _execute_all(worker, connection, what, migration.rollback)
            forget(connection)

        # the whole of it at once can take long, and is wanted all the same
        worker.transaction(whole, what=what, keeps_waiting=True)
    else:
        worker.transaction(lambda c: ledger.reopen(c, migration), what=what)
        _step_through(worker, what, migration.rollback)
        worker.transaction(forget, what=what)


def _execute_all(worker: Worker, connection: psycopg.Connection[TupleRow], what: str, script: Script) -> None:
    total = len(script.statements)
    for number, statement in enumerate(script.statements):
        worker.report(what, number, total)
        connection.execute(statement.text.encode())
    worker.report(what, total, total)


def _step_through(worker: Worker, what: str, script: Script, *, after: int = 0) -> None:
    total = len(script.statements)
    for before, step in script.steps(after=after):
        worker.report(what, before, total)
        worker.step(step, what=_numbered(what, script, before + 1, before + len(step)))
    worker.report(what, total, total)


def _numbered(what: str, script: Script, first: int, last: int) -> str:
    numbers = f"statement {first}" if first == last else f"statements {first} to {last}"
    return f"{what}, {numbers} of {len(script.statements)}"
