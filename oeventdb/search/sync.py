"""Keeping the live index up to date: workers that empty the outbox until they are told to stop."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from oeventdb.connection import connect, value
from oeventdb.errors import DatabaseUnreachable, OperationError, Refused, SearchUnavailable
from oeventdb.search import outbox
from oeventdb.search.cluster import PATIENCE, Cluster, Pauses
from oeventdb.search.indices import Indices

if TYPE_CHECKING:
    from datetime import datetime

    from psycopg.rows import TupleRow

_LOG = logging.getLogger("oeventdb.search")

WORKERS = 4
"""Batches under way at once."""

_CHANNEL = "oeventdb_search"

_LOOK_AGAIN = 0.5
"""Seconds after which a worker looks into the outbox without having been notified."""

_LOOK_AGAIN_SOON = 0.1
"""The same where the rest is on its way with another process: when that is done we are."""

_LOST = (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout)
"""What a server says to a worker whose turn comes again."""


@dataclass
class Totals:
    """What all workers have done so far."""

    documents: int = 0
    dead: int = 0
    errors: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        """Prepare for several workers."""
        self._counting = threading.Lock()

    def count(self, *, documents: int = 0, dead: int = 0, errors: int = 0) -> None:
        """Add what a worker has done."""
        with self._counting:
            self.documents += documents
            self.dead += dead
            self.errors += errors


class Worker:
    """Empties the outbox from one thread, with a connection of its own that it renews."""

    def __init__(
        self,
        dsn: str,
        cluster: Cluster,
        alias: str,
        totals: Totals,
        stop: threading.Event,
        *,
        tries: outbox.Tries,
        left: outbox.Left,
        until: datetime | None,
    ) -> None:
        self._dsn = dsn
        self._cluster = cluster
        self._alias = alias
        self._totals = totals
        self._stop = stop
        self._tries = tries
        self._left = left
        self._was_left = False
        self._until = until
        self._connection: psycopg.Connection[TupleRow] | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def run_forever(self) -> None:
        """Work until told to stop; whatever is away is waited for."""
        pauses = Pauses(float("inf"))
        while not self._stop.is_set():
            try:
                outcome = self._step()
            except (OperationError, psycopg.Error) as exc:
                self._after_failure(exc)
                pauses.wait(self._stop)
                continue
            pauses = Pauses(float("inf"))
            if not outcome.taken and not self._was_left:
                with suppress(psycopg.Error):
                    self._wait_for_changes()

    def run_until_empty(self, patience: float, *, since: float | None = None) -> None:
        """Work until there is nothing to take; with `since`, until all that waited then has left the outbox.

        The one leaves to others what they have taken, the other waits for them. Neither sends again and
        again what is changed faster than that.
        """
        pauses, looks = Pauses(patience), Pauses(patience, longest=_LOOK_AGAIN_SOON)
        while not self._stop.is_set():
            if since is not None:
                self._left = outbox.Left()
            try:
                outcome = self._step()
                if outcome.removed:
                    pauses, looks = Pauses(patience), Pauses(patience, longest=_LOOK_AGAIN_SOON)
                elif since is None:
                    if not outcome.taken:
                        break
                elif outcome.taken:
                    break
                elif not self._is_waiting_since(since) or not looks.wait(self._stop):
                    break
            except (SearchUnavailable, DatabaseUnreachable, *_LOST) as exc:
                self._after_failure(exc)
                if not pauses.wait(self._stop):
                    raise

    def _connected(self) -> psycopg.Connection[TupleRow]:
        if self._connection is None or self._connection.closed:
            connection = connect(self._dsn, autocommit=True)
            connection.execute(f"LISTEN {_CHANNEL}")
            self._connection = connection
        return self._connection

    def _step(self) -> outbox.Outcome:
        started = time.monotonic()
        # in turn, so that neither keeps the other waiting
        due = None if self._was_left else self._left.due(outbox.BATCH) or None
        self._was_left = due is not None
        outcome = outbox.step(
            self._connected(),
            self._cluster,
            self._alias,
            only=due,
            until=self._until,
            tries=self._tries,
            left=self._left,
        )
        self._totals.count(documents=len(outcome.accepted), dead=len(outcome.refused))
        if outcome.accepted:
            took = time.monotonic() - started
            _LOG.info("synced documents=%d seconds=%.3f", len(outcome.accepted), took)
        if outcome.put_off:
            raise SearchUnavailable(f"changes were put off: {outcome.put_off}")
        return outcome

    def _after_failure(self, exc: Exception) -> None:
        self._totals.count(errors=1)
        _LOG.warning("sync waits: %s", " ".join(str(exc).split()))
        if not isinstance(exc, SearchUnavailable):
            self.close()

    def _wait_for_changes(self) -> None:
        for _ in self._connected().notifies(timeout=_LOOK_AGAIN, stop_after=1):
            return

    def _is_waiting_since(self, since: float) -> bool:
        """Return whether changes from before are still waiting, held by others."""
        row = (
            self._connected()
            .execute("SELECT pending, seconds FROM oeventdb_internal.search_lag()")
            .fetchone()
        )
        # without an age: they were queued before the clock of the server was set back
        return row is not None and row[0] > 0 and not 0 < row[1] <= time.monotonic() - since


def sync(
    dsn: str,
    elasticsearch_url: str,
    *,
    alias: str = "events",
    once: bool = False,
    workers: int = WORKERS,
    api_key: str | None = None,
    patience: float = PATIENCE,
    stop: threading.Event | None = None,
    totals: Totals | None = None,
) -> Totals:
    """Bring every change of an event to the live index, until `stop` is set or Ctrl-C.

    What else the handler of a signal raises, such as SystemExit, ends it as well, and is raised.

    With `once`, only what is waiting now; then a server may be away for `patience` seconds, and
    otherwise for as long as it takes. Raises Refused for a database that is not migrated,
    SearchUnavailable where nothing was indexed yet.
    """
    stop = stop or threading.Event()
    totals = totals or Totals()
    began = time.monotonic()
    # suppressed where there is no batch to finish yet
    with (
        suppress(KeyboardInterrupt),
        Cluster(elasticsearch_url, api_key=api_key, connections=workers) as cluster,
    ):
        started = _start(dsn, Indices(cluster, alias), at_once=once)
        tries, until = outbox.Tries(), started if once else None
        left = outbox.Left(None if once else _LOOK_AGAIN / 2)
        staff = [
            Worker(dsn, cluster, alias, totals, stop, tries=tries, left=left, until=until)
            for _ in range(workers)
        ]
        try:
            if once:
                _together([partial(worker.run_until_empty, patience) for worker in staff], stop)
                _together([partial(staff[0].run_until_empty, patience, since=began)], stop)
            else:
                _together([worker.run_forever for worker in staff], stop)
        finally:
            for worker in staff:
                worker.close()
    totals.seconds = round(time.monotonic() - began, 3)
    return totals


def _start(dsn: str, indices: Indices, *, at_once: bool) -> datetime:
    """Have the outbox for this alias; return the time by the database's clock.

    Tells what would never work, rather than wait for it; `at_once` also a server that is away.
    """
    with closing(connect(dsn, autocommit=True)) as connection:
        captures = value(
            connection,
            "SELECT pg_catalog.to_regprocedure('oeventdb_internal.search_take(integer, bigint[], timestamptz, bigint[])') IS NOT NULL",
        )
    if not captures:
        raise Refused("this database captures no changes yet", hint="run `oeventdb migrate` first")
    if at_once:
        indices.found()
    indices.require_live()
    with closing(connect(dsn, autocommit=True)) as connection:
        started: datetime = value(
            connection,
            "SELECT pg_catalog.clock_timestamp() FROM oeventdb_internal.search_serve(%s, instead => true)",
            (indices.alias,),
        )
    return started


def _together(tasks: list[Any], stop: threading.Event) -> None:
    """Run tasks in threads; they finish their batch on Ctrl-C, and on what else a signal raises here; raise what one raised."""
    failures: list[BaseException] = []
    ended = threading.Semaphore(0)

    def run(task: Any) -> None:
        try:
            task()
        except BaseException as exc:  # noqa: BLE001
            failures.append(exc)
            stop.set()
        finally:
            ended.release()

    threads = [threading.Thread(target=run, args=(task,), name="sync") for task in tasks]
    try:
        for thread in threads:
            thread.start()
        # not join(): where that is interrupted, Python takes the thread for ended
        for _ in threads:
            ended.acquire()
    except BaseException as exc:
        _LOG.info("sync stops after the batches under way")
        stop.set()
        if not isinstance(exc, KeyboardInterrupt):
            raise
    finally:
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    if failures:
        raise failures[0]
