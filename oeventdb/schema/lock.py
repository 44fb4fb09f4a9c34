"""One upgrader at a time: an advisory lock that lives and dies with a connection.

The lock belongs to a transaction, not to a session, so that it works through a pooler in
transaction mode, and PostgreSQL releases it when the process is killed. The connection that
holds it does nothing else that lasts: a transaction that kept a snapshot, or waited for the lock
inside a statement, would stop CREATE INDEX CONCURRENTLY for ever. That is why others ask again
and again in transactions of their own instead of waiting in the server.
"""

from __future__ import annotations

import logging
import random
import select
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import psycopg

from oeventdb.connection import connect, set_locally, unhindered, value
from oeventdb.errors import DatabaseUnreachable, Refused

if TYPE_CHECKING:
    from types import TracebackType

    from psycopg.rows import TupleRow

KEY = int.from_bytes(b"oeventdb", "big")
"""The key of the advisory lock."""

HOLDER_NAME = "oeventdb migrate"
WORKER_NAME = "oeventdb worker"
"""application_name of the two connections of an upgrader."""

_KEEP = {"lock_timeout": "1s", "search_path": ""}

_TRY = "SELECT pg_catalog.pg_try_advisory_xact_lock(%s)"

_HOLDER = """
SELECT a.pid, a.application_name, a.usename, a.xact_start
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND l.classid::bigint = %s AND l.objid::bigint = %s
"""

_ORPHANS = """
SELECT pid
FROM pg_catalog.pg_stat_activity
WHERE datname = pg_catalog.current_database()
  AND pg_catalog.starts_with(application_name, %s)
  AND state IS DISTINCT FROM 'idle'
  AND pg_catalog.pg_has_role(CURRENT_USER, usesysid, 'MEMBER')
"""

BLOCKERS = """
WITH waiting AS (
    SELECT a.pid FROM pg_catalog.pg_stat_activity AS a
    WHERE a.application_name = %s AND a.datname = pg_catalog.current_database()
)
SELECT b.pid, COALESCE(NULLIF(b.application_name, ''), b.backend_type), b.usename, b.xact_start
FROM waiting AS w, LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) AS blocking (pid)
JOIN pg_catalog.pg_stat_activity AS b USING (pid)
UNION ALL
-- a prepared transaction has no session: it is known by its own locks
SELECT NULL, p.gid, p.owner, p.prepared
FROM pg_catalog.pg_prepared_xacts AS p
WHERE p.database = pg_catalog.current_database() AND EXISTS (
    SELECT
    FROM waiting AS w
    JOIN pg_catalog.pg_locks AS wanted ON wanted.pid = w.pid AND NOT wanted.granted
    JOIN pg_catalog.pg_locks AS own ON own.pid IS NULL AND own.transactionid = p.transaction
    JOIN pg_catalog.pg_locks AS held ON held.pid IS NULL AND held.virtualtransaction = own.virtualtransaction
        AND (held.locktype, held.database, held.relation, held.transactionid)
            IS NOT DISTINCT FROM (wanted.locktype, wanted.database, wanted.relation, wanted.transactionid)
)
"""

_PROGRESS = "SELECT task, done, total, updated_at FROM oeventdb_internal.progress"

_BEFORE = "SAVEPOINT look; SELECT pg_catalog.pg_stat_clear_snapshot()"
_AFTER = "ROLLBACK TO SAVEPOINT look; RELEASE SAVEPOINT look"


@dataclass(frozen=True)
class Blocker:
    """A session, or a prepared transaction, that holds what an upgrader waits for."""

    pid: int | None
    application: str
    user: str
    since: str

    @classmethod
    def of(cls, row: TupleRow) -> Blocker:
        """Read a session's pid, application_name, usename and xact_start; NULL and the name of a prepared transaction."""
        since = f"{row[3]:%Y-%m-%d %H:%M:%S}" if row[3] else "a time it does not show"
        return cls(row[0], row[1] or "", row[2] or "the system", since)

    def __str__(self) -> str:
        """Describe it in a few words."""
        if self.pid is None:
            return f"prepared transaction {self.application!r} of {self.user}, prepared at {self.since}"
        name = f" {self.application!r}" if self.application else ""
        return f"pid {self.pid}{name} of {self.user}, in a transaction since {self.since}"


class UpgradeLock:
    """Hold the lock for the duration of a with block.

    Waits up to `patience` seconds for another upgrader, then raises Refused with its name.
    """

    def __init__(self, dsn: str, patience: float) -> None:
        self._patience = patience
        self._turn = threading.RLock()
        self._connection = connect(dsn, autocommit=True, application_name=HOLDER_NAME)
        self.server_version = self._connection.info.server_version
        self.options = self._connection.info.options

    def __enter__(self) -> Self:
        try:
            self._acquire()
            self._end_orphans()
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._connection.closed:
            try:
                self._connection.execute("ROLLBACK")
            except psycopg.Error:
                logging.getLogger(__name__).debug("the upgrade lock's connection was gone")
        self._connection.close()

    def _acquire(self) -> None:
        log = logging.getLogger(__name__)
        deadline = time.monotonic() + self._patience
        told = False
        while True:
            # under another level it would keep its snapshot
            self._connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            unhindered(self._connection)
            set_locally(self._connection, _KEEP)
            if value(self._connection, _TRY, (KEY,)):
                return
            holder = self._holder()
            self._connection.execute("ROLLBACK")
            if time.monotonic() > deadline:
                raise Refused(
                    f"another upgrader works on this database: {holder or 'it has just finished'}",
                    hint="wait for it, or end that session; a killed one releases its lock at once",
                )
            if not told and holder:
                log.info("waiting for another upgrader: %s", holder)
                told = True
            time.sleep(random.uniform(0.1, 0.4))  # noqa: S311

    def _holder(self) -> Blocker | None:
        found = self._connection.execute(_HOLDER, (KEY >> 32, KEY & 0xFFFFFFFF)).fetchone()
        return Blocker.of(found) if found else None

    def _end_orphans(self) -> None:
        """End what a killed upgrader left running in the server.

        Its lock is free as soon as its process is gone, but the server notices only between
        two statements that the other connection's client is gone too.
        """
        deadline = time.monotonic() + self._patience
        while orphans := [pid for (pid,) in self.look(_ORPHANS, (WORKER_NAME,))]:
            for pid in orphans:
                self.look("SELECT pg_catalog.pg_terminate_backend(%s)", (pid,))
            if time.monotonic() > deadline:
                raise Refused(f"a killed upgrader's statement does not end: pid {orphans[0]}")
            time.sleep(0.02)

    def look(self, query: str, parameters: tuple[object, ...] = ()) -> list[TupleRow]:
        """Run a short query and keep nothing of it: no lock, no cached statistics.

        Not to be called while another connection runs CREATE INDEX CONCURRENTLY or the like:
        it waits for the end of every transaction that had a snapshot when it looked.
        """
        with self._turn:
            try:
                self._connection.execute(_BEFORE)
                try:
                    return self._connection.execute(query.encode(), parameters).fetchall()
                finally:
                    self._connection.execute(_AFTER)
            except psycopg.OperationalError as error:
                if self._connection.closed:
                    raise LockLost from error
                raise

    def require(self) -> None:
        """Raise LockLost when the connection is gone, and with it the lock."""
        with self._turn:
            try:
                self._connection.execute("SELECT 1")
            except psycopg.OperationalError as error:
                raise LockLost from error

    def alive(self) -> bool:
        """Tell whether the connection still stands, without asking the server anything."""
        with self._turn:
            if self._connection.closed:
                return False
            readable, _, _ = select.select([self._connection.fileno()], [], [], 0)
            if readable:
                try:
                    self._connection.pgconn.consume_input()
                except psycopg.Error:
                    return False
            return self._connection.pgconn.status == psycopg.pq.ConnStatus.OK

    def progress(self) -> dict[str, tuple[int, int, object]]:
        """Return (done, total, updated_at) of each task; nothing where the table cannot be read."""
        try:
            return {row[0]: (row[1], row[2], row[3]) for row in self.look(_PROGRESS)}
        except (psycopg.errors.UndefinedTable, psycopg.errors.LockNotAvailable):
            return {}


class LockLost(DatabaseUnreachable):
    """The connection that held the upgrade lock is gone: another upgrader may be at work."""

    def __init__(self) -> None:
        super().__init__(
            "the connection that held the upgrade lock was lost; stopped",
            hint="run the command again to go on",
        )
