"""Looking after a statement from outside while it runs."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg import errors

from oeventdb.connection import connect, limit_waiting
from oeventdb.errors import DatabaseUnreachable
from oeventdb.schema.lock import BLOCKERS, HOLDER_NAME, Blocker, LockLost

if TYPE_CHECKING:
    from types import TracebackType

    from psycopg.rows import TupleRow

    from oeventdb.schema.scripts import Statement
    from oeventdb.schema.worker import Worker

LONGEST_WAIT = 0.75
"""Seconds that another session may wait for a lock of ours before we let go of it."""

_VICTIMS = """
SELECT pg_catalog.count(*)
FROM pg_catalog.pg_stat_activity AS w
JOIN pg_catalog.pg_locks AS l ON NOT l.granted
    AND l.waitstart < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => %s)
    AND w.pid = ANY (pg_catalog.pg_blocking_pids(l.pid))
JOIN pg_catalog.pg_stat_activity AS v ON v.pid = l.pid
    AND v.backend_type IS DISTINCT FROM 'autovacuum worker'
WHERE w.application_name = %s AND w.datname = pg_catalog.current_database()
"""


class Watch:
    """Look after one statement for the duration of a with block.

    Cancels it when the upgrade lock is lost, when others wait too long for it (if it lets go),
    and when it has waited for others longer than the worker's patience; remembers who they are;
    hands on what batches report. What whoever takes the reports raises ends the block, too.
    """

    def __init__(self, worker: Worker, statement: Statement | None, what: str, *, lets_go: bool) -> None:
        self._worker = worker
        self._what = what
        self._lock = worker.lock
        self._calls = statement is not None and statement.is_call
        self._concurrent = statement is not None and statement.runs_alone and not self._calls
        self._lets_go = lets_go and not self._concurrent
        self._outside: psycopg.Connection[TupleRow] | None = None
        self._waiting_since: float | None = None
        self._failure: Exception | None = None
        self.lock_lost = False
        self.in_the_way = False
        self.gave_up = False
        self.progressed = False

    def __enter__(self) -> Self:
        self._seen = self._lock.progress() if self._calls else {}
        self._worker.lookout.turn_to(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._worker.lookout.turn_to(None)
        if self._outside is not None:
            self._outside.close()
        if self._failure is not None:
            raise self._failure
        if self._calls and not self.lock_lost:
            with suppress(psycopg.Error, LockLost):
                self._hand_on()

    def why_cancelled(self, error: psycopg.Error) -> str | None:
        """Return why the statement is worth another try; None where it is not.

        Raises LockLost when it was cancelled for want of the lock.
        """
        if self.lock_lost:
            raise LockLost from error
        if self.gave_up:
            return "it has to wait for others"
        if self.in_the_way:
            return "it kept others waiting"
        return None if isinstance(error, errors.QueryCanceled) else str(error.diag.message_primary)

    def look(self) -> bool:
        """Look how the statement gets on, and return whether it goes on: else it has been cancelled."""
        try:
            if not self._lock.alive():
                raise LockLost
            self._look()
        except LockLost:
            self.lock_lost = True
        except (psycopg.Error, DatabaseUnreachable) as error:
            logging.getLogger(__name__).debug("cannot look at the server: %s", error)
        except Exception as error:  # noqa: BLE001
            self._failure = error
        if self.lock_lost or self.in_the_way or self.gave_up or self._failure is not None:
            self._worker.cancel()
            return False
        return True

    def _look(self) -> None:
        if self._calls:
            self._hand_on()
        name = self._worker.name
        self._take_note([Blocker.of(row) for row in self._query(BLOCKERS, (name,))])
        if self._lets_go:
            found = self._query(_VICTIMS, (LONGEST_WAIT, name))
            self.in_the_way = bool(found and found[0][0])

    def _query(self, query: str, parameters: tuple[object, ...]) -> list[TupleRow]:
        """Ask by the connection of the lock, or by a third one while an index is being built.

        Building one waits for the end of every transaction that had a snapshot: a question in
        the lock's own transaction would keep it waiting for ever.
        """
        if not self._concurrent:
            return self._lock.look(query, parameters)
        if self._outside is None:
            self._outside = connect(self._worker.dsn, autocommit=True, application_name=HOLDER_NAME)
        with self._outside.transaction():
            limit_waiting(self._outside)
            return self._outside.execute(query.encode(), parameters).fetchall()

    def _take_note(self, blockers: list[Blocker]) -> None:
        if not blockers:
            self._waiting_since = None
            return
        self._worker.blockers = blockers
        now = time.monotonic()
        self._waiting_since = self._waiting_since or now
        waited = now - self._waiting_since
        self._worker.tell(self._what, "it has to wait for others", waited)
        self.gave_up = waited > self._worker.patience

    def _hand_on(self) -> None:
        for task, state in self._lock.progress().items():
            if state != self._seen.get(task):
                self.progressed = True
                self._seen[task] = state
                self._worker.report(task, state[0], state[1])


class Lookout:
    """A thread that looks after one statement after the other, again and again while it runs.

    Most take less than an interval, and are not looked at: in that time nobody waits too long for them.
    """

    _INTERVAL = 0.2

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._watch: Watch | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def turn_to(self, watch: Watch | None) -> None:
        """Look after another statement, or none; returns when nobody looks at the one before any more."""
        with self._turn:
            self._watch = watch

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        seen = None
        while not self._stop.wait(self._INTERVAL):
            with self._turn:
                if self._watch is not None and self._watch is seen and not self._watch.look():
                    self._watch = None
                seen = self._watch
