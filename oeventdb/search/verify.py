"""Comparing the index with the database, event by event, and mending just what differs."""

from __future__ import annotations

import itertools
import math
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oeventdb.connection import connect
from oeventdb.errors import SearchUnavailable
from oeventdb.search import outbox
from oeventdb.search.cluster import PATIENCE, Cluster
from oeventdb.search.export import Snapshot
from oeventdb.search.indices import Indices
from oeventdb.search.progress import Report, silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import psycopg

_PAGE = 10_000
"""Ids and versions that are read at a time, from either side; Elasticsearch gives no more."""

_CHUNK = 1000

_KEEP_ALIVE = "5m"

_LISTING = "SELECT event_id, search_version FROM oeventdb_internal.search_listing(%s, %s)"
_CURRENT = "SELECT event_id, search_version FROM oeventdb_internal.search_current(%s::bigint[])"
_MEND = "SELECT oeventdb_internal.search_mend(%s::bigint[], %s::bigint[])"


@dataclass(frozen=True, slots=True)
class Verified:
    """What a comparison has found; the lists are of event ids."""

    documents: int
    missing: list[int]
    stale: list[int]
    surplus: list[int]
    repaired: int

    @property
    def left(self) -> int:
        """How many differences are left."""
        return len(self.missing) + len(self.stale) + len(self.surplus) - self.repaired


@dataclass(frozen=True, slots=True)
class _Difference:
    event_id: int
    ours: int | None
    theirs: int | None

    @property
    def kind(self) -> str:
        if self.theirs is None:
            return "missing"
        return "surplus" if self.ours is None else "stale"


def verify(
    dsn: str,
    elasticsearch_url: str,
    *,
    alias: str = "events",
    repair: bool = False,
    api_key: str | None = None,
    progress: Report = silent,
) -> Verified:
    """Compare ids and versions of the live index with the database; with `repair`, mend the rest.

    A difference counts when it is still there on a second look, so that changes on their way do
    not, unless they wait in the outbox for a worker that does not run. Memory does not grow with
    the number of events, only with that of differences.
    """
    with (
        Cluster(elasticsearch_url, api_key=api_key) as cluster,
        closing(connect(dsn, autocommit=True)) as connection,
    ):
        # asked once, without patience: a wrong URL is told at once
        Indices(cluster, alias).found()
        comparison = _Comparison(connection, cluster, alias)
        documents, suspects = comparison.compare(progress)
        found = comparison.confirm(suspects)
        repaired = 0
        if repair and found:
            comparison.mend(found)
            still = {difference.event_id for difference in comparison.confirm(d.event_id for d in found)}
            repaired = sum(difference.event_id not in still for difference in found)
    ids: dict[str, list[int]] = {"missing": [], "stale": [], "surplus": []}
    for difference in found:
        ids[difference.kind].append(difference.event_id)
    return Verified(documents, ids["missing"], ids["stale"], ids["surplus"], repaired)


class _Comparison:
    """The two sides and what differs between them."""

    def __init__(self, connection: psycopg.Connection, cluster: Cluster, alias: str) -> None:
        self._connection = connection
        self._cluster = cluster
        self._alias = alias
        live = Indices(cluster, alias).live()
        if not live:
            raise SearchUnavailable(
                f"there is no index behind the alias {alias}", hint="run `oeventdb reindex` first"
            )

    def compare(self, progress: Report) -> tuple[int, list[int]]:
        """Return how many documents the database has, and the ids that differ at first sight."""
        self._cluster.request("POST", f"/{self._alias}/_refresh", patience=PATIENCE)
        suspects: list[int] = []
        with Snapshot(self._connection) as snapshot:
            documents = snapshot.count()
            for seen, (event_id, ours, theirs) in enumerate(
                _merged(self._in_database(), self._in_index()), start=1
            ):
                if ours != theirs:
                    suspects.append(event_id)
                if seen % _PAGE == 0:
                    progress("verify", seen, documents)
            progress("verify", documents, documents)
        return documents, suspects

    def confirm(self, suspects: Iterable[int]) -> list[_Difference]:
        """Return what still differs, with what either side has now."""
        found = []
        for ids in _batched(suspects):
            theirs = self._versions_in_index(ids)
            ours: dict[int, int] = dict(self._connection.execute(_CURRENT, (ids,)).fetchall())
            found += [
                _Difference(event_id, ours.get(event_id), theirs.get(event_id))
                for event_id in ids
                if ours.get(event_id) != theirs.get(event_id)
            ]
        return found

    def mend(self, found: list[_Difference]) -> None:
        """Send just these events again, or their deletions."""
        for start in range(0, len(found), _CHUNK):
            chunk = found[start : start + _CHUNK]
            ids = [difference.event_id for difference in chunk]
            self._connection.execute(_MEND, (ids, [difference.theirs for difference in chunk]))
            while True:
                outcome = outbox.step(self._connection, self._cluster, self._alias, only=ids)
                if outcome.put_off:
                    raise SearchUnavailable(f"changes were put off: {outcome.put_off}")
                if not outcome.taken:
                    break

    def _in_database(self) -> Iterator[tuple[int, int]]:
        after = -(2**63)
        while page := self._connection.execute(_LISTING, (after, _PAGE)).fetchall():
            yield from page
            after = page[-1][0]

    def _in_index(self) -> Iterator[tuple[int, int]]:
        """Yield (id, version) in the order of ids from one point in time."""
        opened = self._cluster.request(
            "POST", f"/{self._alias}/_pit", query={"keep_alive": _KEEP_ALIVE}, patience=PATIENCE
        )
        pit, after = opened["id"], None
        try:
            while True:
                body: dict[str, Any] = {
                    "size": _PAGE,
                    "pit": {"id": pit, "keep_alive": _KEEP_ALIVE},
                    "sort": [{"id": "asc"}],
                    # the id is read from the sort value: nothing stored has to be unpacked
                    "stored_fields": "_none_",
                    "version": True,
                    "track_total_hits": False,
                }
                if after is not None:
                    body["search_after"] = after
                answer = self._cluster.request(
                    "POST",
                    "/_search",
                    query={"filter_path": "pit_id,_shards.failed,hits.hits._version,hits.hits.sort"},
                    body=body,
                    patience=PATIENCE,
                )
                if answer["_shards"]["failed"]:
                    raise SearchUnavailable("a part of the index did not answer")
                hits = answer.get("hits", {}).get("hits", [])
                if not hits:
                    return
                yield from ((hit["sort"][0], hit["_version"]) for hit in hits)
                pit, after = answer["pit_id"], hits[-1]["sort"]
        finally:
            self._cluster.request("DELETE", "/_pit", body={"id": pit}, accept=(404,))

    def _versions_in_index(self, ids: list[int]) -> dict[int, int]:
        answer = self._cluster.request(
            "POST",
            f"/{self._alias}/_mget",
            query={"_source": "false", "filter_path": "docs._id,docs._version,docs.found"},
            body={"ids": [str(event_id) for event_id in ids]},
            patience=PATIENCE,
        )
        return {int(doc["_id"]): doc["_version"] for doc in answer["docs"] if doc.get("found")}


def _batched(ids: Iterable[int]) -> Iterator[list[int]]:
    remaining = iter(ids)
    while chunk := list(itertools.islice(remaining, _CHUNK)):
        yield chunk


def _merged(
    ours: Iterator[tuple[int, int]], theirs: Iterator[tuple[int, int]]
) -> Iterator[tuple[int, int | None, int | None]]:
    """Yield (id, our version, their version) of two listings in the order of ids."""
    end = (math.inf, None)
    our_id, our_version = next(ours, end)
    their_id, their_version = next(theirs, end)
    while (event_id := min(our_id, their_id)) != math.inf:
        yield (
            int(event_id),
            our_version if our_id == event_id else None,
            their_version if their_id == event_id else None,
        )
        if our_id == event_id:
            our_id, our_version = next(ours, end)
        if their_id == event_id:
            their_id, their_version = next(theirs, end)
