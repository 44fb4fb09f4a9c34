"""Rebuilding the index beside the live one, and swapping it in once it is complete."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from oeventdb.connection import connect, set_locally, unhindered, value
from oeventdb.errors import DatabaseUnreachable, OperationError, Refused, SearchUnavailable
from oeventdb.progress import Report, silent
from oeventdb.search import definition as definitions
from oeventdb.search.bulk import IN_FLIGHT, BulkSender
from oeventdb.search.cluster import PATIENCE, Cluster, Pauses
from oeventdb.search.export import BODY_BYTES, Snapshot
from oeventdb.search.indices import Indices, building_alias
from oeventdb.search.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oeventdb.search.definition import Definition

_LOG = logging.getLogger("oeventdb.search")


_LINGER = PATIENCE + 30
"""Seconds that the lock of a killed reindex lasts: as long as its swap may still be under way."""

_LONGEST_SWAP = 300
"""Seconds, beside the patience, after which the lock of a reindex that stands still before its swap is gone."""

_LONGEST_TIMEOUT = 2**31 // 1000 - 1
"""Seconds, the most that PostgreSQL takes for a timeout."""

_SWAP_LOCK = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('oeventdb search swap', 0))"


@dataclass(frozen=True, slots=True)
class Reindexed:
    """A finished rebuild."""

    index: str
    alias: str
    documents: int
    seconds: float


def reindex(
    dsn: str,
    elasticsearch_url: str,
    *,
    alias: str = "events",
    keep: int = 1,
    api_key: str | None = None,
    definition: Definition | None = None,
    progress: Report = silent,
    body_bytes: int = BODY_BYTES,
    patience: float = PATIENCE,
) -> Reindexed:
    """Build a new index of all published events and swap it in under `alias`.

    Searches see the old index, whole, until the swap, and the new one, whole, after it. Of the
    indices before it the newest `keep` stay. Elasticsearch may be away for `patience` seconds
    at a time. Raises SearchUnavailable, and nothing is swapped, when a document is refused or
    the count differs from the snapshot's; Refused while another reindex is running.
    """
    started = time.monotonic()
    if keep < 0:
        raise Refused("the number of indices to keep cannot be negative")
    definition = definition or definitions.load()
    with (
        Cluster(elasticsearch_url, api_key=api_key, connections=IN_FLIGHT + 1) as cluster,
        closing(connect(dsn)) as guard,
    ):
        indices = Indices(cluster, alias)
        # first its transaction: a session that is idle while Elasticsearch answers may be ended
        _only_one(guard, alias)
        # asked once, without patience: a wrong URL is told at once
        indices.found()
        indices.replaceable()
        for name in indices.remove_unfinished():
            _LOG.info("removed %s, which an interrupted reindex had left", name)
        index = indices.create(definition)
        with _discarded_on_failure(indices, index):
            build = _Build(dsn, cluster, indices, index, progress, patience)
            documents = build.fill(body_bytes)
            build.finish(definition, documents)
            replay = Replay(dsn, cluster, since=build.position, patience=patience)
            replayed = replay.catch_up(building_alias(index))
            _hold_back_sync(guard, patience)
            replayed += replay.catch_up(building_alias(index))
            if replayed:
                indices.refresh(index)
            with _lingering(guard):
                indices.swap(index)
        _catch_up_live(replay, alias, index, patience)
        _settle(dsn, replay.position, alias)
        with suppress(psycopg.Error):
            # a connection that is only closed keeps its locks for a moment, and the next reindex would be refused
            guard.rollback()
        guard.close()
        _remove_old(indices, index, keep)
    seconds = time.monotonic() - started
    return Reindexed(index, alias, documents, round(seconds, 3))


class _Build:
    """An index that is filled from one snapshot."""

    def __init__(
        self,
        dsn: str,
        cluster: Cluster,
        indices: Indices,
        index: str,
        progress: Report,
        patience: float,
    ) -> None:
        self._dsn = dsn
        self._cluster = cluster
        self._indices = indices
        self._index = index
        self._progress = progress
        self._patience = patience
        self.position = ""
        """What the snapshot has seen."""

    def fill(self, body_bytes: int) -> int:
        """Send every document; return how many, all of them acknowledged."""
        sender = BulkSender(self._cluster, building_alias(self._index), patience=self._patience)
        with Snapshot(self._dsn) as snapshot, sender:
            self.position = snapshot.position
            documents = snapshot.count()
            for body in snapshot.bodies(body_bytes):
                sender.send(body)
                self._progress("reindex", sender.acknowledged, documents)
            acknowledged = sender.finish()
            self._progress("reindex", acknowledged, documents)
        if acknowledged != documents:
            raise SearchUnavailable(
                f"the snapshot has {documents} documents and {acknowledged} were "
                "acknowledged; nothing was swapped"
            )
        return acknowledged

    def finish(self, definition: Definition, documents: int) -> None:
        """Give the index its lasting settings and compare its count."""
        counted = self._indices.finish(self._index, definition)
        if counted != documents:
            raise SearchUnavailable(
                f"the snapshot has {documents} documents and {self._index} has {counted}; nothing was swapped"
            )


def _only_one(connection: psycopg.Connection, alias: str) -> None:
    """Take the lock of this database and alias, held by an open transaction.

    Not by the session: behind a pooler that would outlive the command.
    """
    unhindered(connection)
    if value(connection, "SELECT pg_catalog.pg_is_in_recovery()"):
        raise Refused("a standby may lack what the index has already: reindex from the primary server")
    is_ours = value(
        connection,
        "SELECT pg_catalog.pg_try_advisory_xact_lock("
        "pg_catalog.hashtextextended('oeventdb reindex ' || %s::text, 0))",
        (alias,),
    )
    if not is_ours:
        raise Refused(f"another reindex of {alias} is running on this database")


def _hold_back_sync(guard: psycopg.Connection, patience: float) -> None:
    """Wait for the batches of sync under way; the next begin after the swap, with the new index.

    The lock goes with its transaction, as does that against another reindex.
    """
    try:
        guard.execute(_SWAP_LOCK)
    except psycopg.errors.LockNotAvailable:
        raise SearchUnavailable(
            "a worker of sync has kept its batch for two minutes; nothing was swapped",
            hint="end that worker, or its session in pg_stat_activity, and run the command again",
        ) from None
    # if this process stands still, sync goes on after a while
    idle = min(_LONGEST_SWAP + patience, _LONGEST_TIMEOUT)
    set_locally(guard, {"idle_in_transaction_session_timeout": f"{idle:.0f}s"})


@contextmanager
def _lingering(guard: psycopg.Connection) -> Iterator[None]:
    """Keep the locks for a while even where this process is killed in the block.

    The server learns that a client is gone when its statement ends. A lock that went at once would let sync bring
    changes to the old index while the request to swap is still on its way.
    """
    guard.execute("SAVEPOINT lingering")
    set_locally(guard, {"client_connection_check_interval": "0"})
    asleep = threading.Thread(target=_sleep, args=(guard,), daemon=True)
    asleep.start()
    try:
        yield
    finally:
        while asleep.is_alive():
            with suppress(psycopg.Error):
                guard.cancel_safe()
            asleep.join(0.05)


def _sleep(guard: psycopg.Connection) -> None:
    # cancelled, or lost and with it the lock
    with suppress(psycopg.Error):
        guard.execute("SELECT pg_catalog.pg_sleep(%s)", (_LINGER,))
    with suppress(psycopg.Error):
        guard.execute("ROLLBACK TO SAVEPOINT lingering")


def _catch_up_live(replay: Replay, alias: str, index: str, patience: float) -> None:
    """Bring what was committed before the swap to the index that is live now.

    It waits for sync, as a rule. But the lock goes with its session, and where that was lost, sync may have
    brought it to the old index while this one was being put in its place.
    """
    pauses = Pauses(patience)
    while True:
        try:
            replay.catch_up(alias)
        except (OperationError, psycopg.Error) as exc:
            if not pauses.wait():
                raise SearchUnavailable(
                    f"{index} is live, but what changed at the swap may be missing: {exc}",
                    hint="run `oeventdb verify --repair`",
                ) from exc
        else:
            return


def _settle(dsn: str, position: str, alias: str) -> None:
    """Take what the new index has out of the outbox; by now it is live, so a failure is only told."""
    try:
        with closing(connect(dsn)) as connection, connection.transaction():
            unhindered(connection)
            connection.execute(
                "SELECT oeventdb_internal.search_settle(%s::text::pg_catalog.pg_snapshot, %s)",
                (position, alias),
            )
    except (psycopg.Error, DatabaseUnreachable) as exc:
        _LOG.warning("the outbox keeps what is indexed already: %s", " ".join(str(exc).split()))


@contextmanager
def _discarded_on_failure(indices: Indices, index: str) -> Iterator[None]:
    """Remove the index when the block fails or is interrupted, unless it is live by then."""
    try:
        yield
    except BaseException:
        try:
            # the next reindex clears away what this one cannot
            indices.discard(index)
        except OperationError as exc:
            _LOG.warning("%s stays until the next reindex: %s", index, exc)
        raise


def _remove_old(indices: Indices, index: str, keep: int) -> None:
    """Remove what is not kept; by now the new index is live, so a failure is only told."""
    try:
        for name in indices.remove_old(index, keep):
            _LOG.info("removed %s", name)
    except OperationError as exc:
        _LOG.warning("older indices stay until the next reindex: %s", exc)
