"""Several sessions of one database, stepped from a test: who waits for whom is read from the server."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

Rows: TypeAlias = list[tuple[Any, ...]]
Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any] | None

READ_COMMITTED = "READ COMMITTED"
REPEATABLE_READ = "REPEATABLE READ"
SERIALIZABLE = "SERIALIZABLE"
LEVELS = (READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE)

levels = pytest.mark.parametrize("level", LEVELS)
endings = pytest.mark.parametrize("first_ends", ["COMMIT", "ROLLBACK"])

TRY_AGAIN = "40001"
"""The SQLSTATE by which a transaction fails whose snapshot is too old."""

PATIENCE = 30.0
"""Seconds after which a test gives up on something that is certain to happen."""


class Session:
    """One connection, whose statements may be left running while the test goes on."""

    def __init__(self, dsn: str, **settings: str) -> None:
        options = {"statement_timeout": "30s", "deadlock_timeout": "100ms", **settings}
        set_so = " ".join(f"-c {name}={value}" for name, value in options.items())
        self.connection = psycopg.connect(make_conninfo(dsn, options=set_so), autocommit=True)
        self.pid = self.connection.info.backend_pid
        self._worker = ThreadPoolExecutor(1)

    def run(self, statement: str, parameters: Parameters = None) -> Rows:
        """Execute a statement and return its rows."""
        cursor = self.connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, parameters: Parameters = None) -> Any:
        """Execute a statement and return the first column of its first row."""
        return self.run(statement, parameters)[0][0]

    def start(self, statement: str, parameters: Parameters = None) -> Future[Rows]:
        """Let a statement run, and go on."""
        return self._worker.submit(self.run, statement, parameters)

    def begin(self, level: str = READ_COMMITTED) -> None:
        """Begin a transaction whose snapshot, where it has one for its whole life, is of now."""
        self.run(f"BEGIN ISOLATION LEVEL {level}")
        self.run("SELECT count(*) FROM public.tickets WHERE id = 0")

    def commit(self) -> None:
        """Commit the transaction."""
        self.run("COMMIT")

    def rollback(self) -> None:
        """Roll the transaction back."""
        self.run("ROLLBACK")

    def finish(self, ended: str) -> None:
        """Commit the transaction if its last statement was done, else roll it back."""
        self.run("COMMIT" if ended == "done" else "ROLLBACK")

    def close(self) -> None:
        """Close the connection; a statement that still runs is cancelled."""
        if self.connection.info.transaction_status == TransactionStatus.ACTIVE:
            self.connection.cancel_safe()
        self._worker.shutdown()
        self.connection.close()


class Stage:
    """The sessions of a test, and an observer who sees who is blocked by whom."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._sessions: list[Session] = []
        self._observer = self.session()

    def session(self, **settings: str) -> Session:
        """Open another session; the settings are those of PostgreSQL."""
        session = Session(self._dsn, **settings)
        self._sessions.append(session)
        return session

    def two(self, level: str) -> tuple[Session, Session]:
        """Open two sessions, in transactions that began before either did anything."""
        first, second = self.session(), self.session()
        first.begin(level)
        second.begin(level)
        return first, second

    def sees(self, condition: Callable[[], object]) -> None:
        """Wait until the condition holds; fail after PATIENCE."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "it never came to that"
            time.sleep(0.005)

    def blocked(self, waiting: Session, running: Future[Rows], by: Session) -> None:
        """Wait until one session's statement waits for the other session's transaction."""

        def is_blocked() -> bool:
            assert not running.done(), f"did not wait: {running.exception() or running.result()}"
            return bool(self._observer.value("SELECT %s = ANY (pg_blocking_pids(%s))", [by.pid, waiting.pid]))

        self.sees(is_blocked)

    def waits(self, waiting: Session, running: Future[Rows]) -> None:
        """Wait until a session's statement waits for somebody."""

        def is_waiting() -> bool:
            assert not running.done(), f"did not wait: {running.exception() or running.result()}"
            return bool(self._observer.value("SELECT pg_blocking_pids(%s) <> '{}'", [waiting.pid]))

        self.sees(is_waiting)

    def close(self) -> None:
        """Close every session."""
        for session in self._sessions:
            session.close()


def outcome(running: Future[Rows]) -> str:
    """'done', or the SQLSTATE by which the statement ended."""
    error = running.exception(PATIENCE)
    if error is None:
        return "done"
    assert isinstance(error, psycopg.Error)
    return str(error.sqlstate)


def crowd(
    stage: Stage, sessions: int, turns: int, turn: Callable[[Session, random.Random], str], seed: int = 0
) -> Counter[str]:
    """Let that many sessions take their turns at once; count how the turns ended."""
    start = threading.Barrier(sessions)
    ended: Counter[str] = Counter()

    def take_turns(number: int, session: Session) -> None:
        chance = random.Random(seed * sessions + number)
        start.wait()
        for _ in range(turns):
            ended[turn(session, chance)] += 1

    workers = [
        threading.Thread(target=take_turns, args=[number, stage.session(statement_timeout="60s")])
        for number in range(sessions)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return ended
