"""Running statements against a database that is in use.

Whatever needs a lock asks for it for half a second only, since everybody else queues behind a
request that waits; then it steps back and asks again. A statement that made somebody wait longer
all the same is cancelled and tried again.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg import errors, sql

from oeventdb.connection import SERVER_KEEPALIVES, connect, conninfo, known, local_settings
from oeventdb.errors import DatabaseUnreachable, OperationError
from oeventdb.schema.lock import WORKER_NAME, Blocker, UpgradeLock
from oeventdb.schema.preconditions import require_names
from oeventdb.schema.watch import Lookout, Watch

if TYPE_CHECKING:
    from types import TracebackType

    from psycopg.rows import TupleRow

    from oeventdb.progress import Report
    from oeventdb.schema.scripts import Index, Statement

LOCK_TIMEOUT = "500ms"

SAY_AFTER = 5.0
"""Seconds for which a step does not get on before the log says why, and who is in the way."""

_SETTINGS = {
    "client_connection_check_interval": "2s",
    "client_min_messages": "warning",
    "DateStyle": "ISO, MDY",
    "default_transaction_isolation": "read committed",
    "extra_float_digits": "1",
    # a migration that is suspended must not keep its locks
    "idle_in_transaction_session_timeout": "10s",
    # between two attempts it is idle for some seconds
    "idle_session_timeout": "0",
    "IntervalStyle": "postgres",
    # what runs once is not worth compiling: a rollback did that for two seconds, and tables without statistics make it likely
    "jit": "off",
    # it would be in the definitions of the functions, and in the statements of the journal
    "quote_all_identifiers": "off",
    # rows that a policy hides would be passed over silently; so it is an error
    "row_security": "off",
    "search_path": "",
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
    "TimeZone": "UTC",
    "transaction_timeout": "0",
    **SERVER_KEEPALIVES,
}

_RETRIED = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)

_INVALID = """
SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname)
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND n.nspname = %s AND c.relname = %s
"""

_VACUUMED = """
SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname)
FROM pg_catalog.pg_stat_activity AS a
JOIN pg_catalog.pg_locks AS l ON l.pid = a.pid AND l.granted AND l.mode = 'ShareUpdateExclusiveLock'
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation AND c.relkind = 'r'
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE a.backend_type = 'autovacuum worker' AND a.pid = ANY (%s) AND a.datname = pg_catalog.current_database()
"""

# PostgreSQL looks who is in the way when somebody has waited for this long
_LONG_ENOUGH = """
SELECT pg_catalog.set_config('lock_timeout',
    (EXTRACT(epoch FROM pg_catalog.current_setting('deadlock_timeout')::interval) * 1000 + 2000)::integer::text || 'ms', true)
"""


_OWNER = """
SELECT 'role', pg_catalog.pg_get_userbyid(c.relowner)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'oeventdb_internal' AND c.relname = 'ledger' AND pg_catalog.pg_get_userbyid(c.relowner) <> CURRENT_USER
"""


class MigrationFailed(OperationError):
    """A statement of a migration failed; what it had begun is undone or can be run again."""


class NotUnique(MigrationFailed):
    """Somebody has just written again what the migration had made unique."""


class Worker:
    """The connection that runs the statements of migrations, one after the other.

    `patience` is how many seconds one statement may go on asking for its locks. Who is a member of
    the role that has begun goes on as that role, so that all there is belongs to one.
    """

    def __init__(self, dsn: str, lock: UpgradeLock, *, patience: float, report: Report) -> None:
        self.name = f"{WORKER_NAME} {os.getpid()}-{random.randrange(10**6):06d}"  # noqa: S311
        self.lock = lock
        self.report = report
        self.patience = patience
        self.blockers: list[Blocker] = []
        self._told = False
        self.dsn = conninfo(dsn)
        settings = _SETTINGS | dict(lock.look(_OWNER))
        self._connection = self._connect(self.dsn, settings)
        # after a statement that leaves a constraint of others to be checked at the commit no ALTER TABLE is possible
        ours = local_settings(self._connection, settings | {"lock_timeout": LOCK_TIMEOUT})
        self._set_locally = (ours + sql.SQL("; SET CONSTRAINTS ALL IMMEDIATE")).as_bytes(self._connection)
        self.lookout = Lookout()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.lookout.close()
        self._connection.close()

    def _connect(self, target: str, settings: dict[str, str]) -> psycopg.Connection[TupleRow]:
        """Connect with the settings where the server takes them at the start, else without.

        A statement that runs outside transactions cannot set them for itself, and setting them
        for a session would leave them to strangers in a pooler's connections. A pooler refuses
        them at the start; there such statements have what the role has.
        """
        wanted = known(settings, self.lock.server_version).items()
        ours = " ".join(f"-c {name}={_escaped(value)}" for name, value in wanted)
        try:
            return connect(
                target,
                # after those of the DSN, of its service, or of PGOPTIONS, in whose place they stand
                options=f"{self.lock.options} {ours}".strip(),
                autocommit=True,
                application_name=self.name,
            )
        except DatabaseUnreachable as error:
            if "startup parameter" not in str(error):
                raise
        return connect(target, autocommit=True, application_name=self.name)

    def cancel(self) -> None:
        """Cancel the running statement, whether or not there is one."""
        with suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=5)

    def transaction(
        self,
        body: Callable[[psycopg.Connection[TupleRow]], None],
        *,
        what: str,
        keeps_waiting: bool = False,
    ) -> None:
        """Run body in a transaction, again from its start where a lock was not to be had.

        With `keeps_waiting` it holds its locks to the end, however long others wait for them.
        Raises MigrationFailed, which says `what` failed and why, or who was in the way.
        """

        def attempt() -> None:
            with self._connection.transaction():
                self._connection.execute(self._set_locally)
                body(self._connection)
                self.lock.require()

        self._persist(attempt, None, what, keeps_waiting=keeps_waiting)

    def step(self, statements: Sequence[Statement], *, what: str) -> None:
        """Run statements that can be repeated: together in a transaction, or one alone that may not be in any."""
        statement = statements[0]
        if not statement.runs_alone:
            self.transaction(lambda c: send(c, statements), what=what)
            return

        def attempt() -> None:
            self.lock.require()
            if index := statement.new_index:
                self._make_way(index)
            send(self._connection, statements)

        self._persist(attempt, statement, what)

    def _make_way(self, index: Index) -> None:
        """Drop what an interrupted CREATE INDEX CONCURRENTLY left behind, and refuse what others have put there.

        IF NOT EXISTS takes either for the index, although no query may use it.
        """
        with self._connection.transaction():
            self._connection.execute(self._set_locally)
            require_names(self._connection, [index], begun=True)
            left = self._connection.execute(_INVALID, index[:2]).fetchall()
        for (name,) in left:
            self._connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}".encode())

    def _persist(
        self,
        attempt: Callable[[], None],
        statement: Statement | None,
        what: str,
        *,
        keeps_waiting: bool = False,
    ) -> None:
        log = logging.getLogger(__name__)
        deadline = None
        delay = 0.05
        self.blockers, self._told = [], False
        while True:
            watch = Watch(self, statement, what, lets_go=not keeps_waiting)
            try:
                with watch:
                    attempt()
            except (errors.QueryCanceled, *_RETRIED) as error:
                reason = watch.why_cancelled(error)
                if reason is None:
                    raise _failed(what, error) from error
                if watch.gave_up:
                    raise self._gave_up(what, reason) from error
            except psycopg.Error as error:
                self.lock.require()
                raise _failed(what, error) from error
            else:
                return
            if watch.progressed:
                deadline, delay = None, 0.05
            deadline = deadline or time.monotonic() + self.patience
            if time.monotonic() > deadline:
                raise self._gave_up(what, reason)
            self.tell(what, reason, time.monotonic() - deadline + self.patience)
            log.info("%s: %s, trying again", what, reason)
            delay = self._step_back(delay)

    def _step_back(self, delay: float) -> float:
        """Pause for about `delay` seconds and return the next pause; not where an autovacuum has just given way."""
        if self._autovacuum_gave_way():
            return delay
        time.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311
        return min(delay * 2, 5.0)

    def _autovacuum_gave_way(self) -> bool:
        """Return whether an autovacuum was in the way and is no more.

        PostgreSQL cancels one for whoever has waited for a second, which is longer than we ask for a
        lock that others queue behind. Nobody who reads or writes queues behind this one.
        """
        pids = [blocker.pid for blocker in self.blockers if blocker.pid is not None]
        tables = [name for (name,) in self.lock.look(_VACUUMED, (pids,))] if pids else []
        for table in tables:
            with suppress(psycopg.Error), self._connection.transaction():
                self._connection.execute(self._set_locally)
                self._connection.execute(_LONG_ENOUGH)
                self._connection.execute(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE".encode())
                return True
        return False

    def tell(self, what: str, reason: str, waited: float) -> None:
        """Warn, once a step, that it has not got on for long."""
        if waited > SAY_AFTER and not self._told:
            self._told = True
            logging.getLogger(__name__).warning("%s: %s, trying on", what, self._with_blockers(reason))

    def _with_blockers(self, reason: str) -> str:
        names = "; ".join(str(blocker) for blocker in self.blockers)
        return f"{reason}; in the way: {names}" if names else reason

    def _gave_up(self, what: str, reason: str) -> MigrationFailed:
        return MigrationFailed(
            f"{what} gave up after {self.patience:g} s: {self._with_blockers(reason)}",
            hint="end the long transactions and run the command again to go on",
        )


def send(connection: psycopg.Connection[TupleRow], statements: Sequence[Statement]) -> None:
    """Run statements, one after the other; they are sent together, as most take less time than the way to the server."""
    connection.execute(";\n".join(statement.text for statement in statements).encode())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def _failed(what: str, error: psycopg.Error) -> OperationError:
    """Return the failure with the server's words; where the connection is gone, with ours."""
    away = error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
    suspended = isinstance(error, errors.IdleInTransactionSessionTimeout)
    if suspended or (away and isinstance(error, psycopg.OperationalError)):
        return DatabaseUnreachable(f"{what}: the connection was lost", hint="run the command again to go on")
    message = error.diag.message_primary or str(error)
    hint = error.diag.message_hint or "put that right and run the command again to go on"
    if error.diag.message_detail and not (error.sqlstate or "").startswith(("22", "23")):
        # of those classes it quotes a row
        message += f": {'; '.join(error.diag.message_detail.splitlines())}"
    if error.sqlstate == "2BP01":
        # PostgreSQL would have it dropped along
        hint = "drop or change what depends on it and run the command again"
    failure = NotUnique if isinstance(error, errors.UniqueViolation) else MigrationFailed
    return failure(f"{what} failed: {message} ({error.sqlstate})", hint=hint)
