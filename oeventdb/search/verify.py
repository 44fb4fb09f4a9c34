"""Comparing the index with the database, event by event, and mending just what differs."""

from __future__ import annotations

import itertools
import math
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from oeventdb.connection import connect, unhindered
from oeventdb.errors import SearchUnavailable
from oeventdb.search import outbox
from oeventdb.search.cluster import PATIENCE, Cluster
from oeventdb.search.export import Snapshot
from oeventdb.search.indices import Indices
from oeventdb.search.listing import Listing, document_id
from oeventdb.search.progress import Report, silent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_Item = TypeVar("_Item")

_PAGE = 10_000
"""Ids and versions that are read from the database at a time."""

_CHUNK = 1000

_LISTING = "SELECT event_id, search_version FROM oeventdb_internal.search_listing(%s, %s)"
_CURRENT = "SELECT event_id, search_version FROM oeventdb_internal.search_current(%s::bigint[])"
_MEND = "SELECT oeventdb_internal.search_mend(%s::bigint[], %s::bigint[])"


@dataclass(frozen=True, slots=True)
class Verified:
    """What a comparison has found; the lists are of event ids.

    Among the surplus are also, as text, ids under which no event can be.
    """

    documents: int
    missing: list[int]
    stale: list[int]
    surplus: list[int | str]
    repaired: int

    @property
    def left(self) -> int:
        """How many differences are left."""
        return len(self.missing) + len(self.stale) + len(self.surplus) - self.repaired


@dataclass(frozen=True, slots=True)
class _Difference:
    id: int | str
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
    with Cluster(elasticsearch_url, api_key=api_key) as cluster:
        # asked once, without patience: a wrong DSN or URL is told at once
        connect(dsn).close()
        Indices(cluster, alias).found()
        comparison = _Comparison(dsn, cluster, alias)
        documents, suspects = comparison.compare(progress)
        found = comparison.confirm(suspects)
        repaired = 0
        if repair and found:
            comparison.mend(found)
            still = {difference.id for difference in comparison.confirm([each.id for each in found])}
            repaired = sum(difference.id not in still for difference in found)
    ids: dict[str, list[Any]] = {"missing": [], "stale": [], "surplus": []}
    for difference in found:
        ids[difference.kind].append(difference.id)
    return Verified(documents, ids["missing"], ids["stale"], ids["surplus"], repaired)


class _Comparison:
    """The two sides and what differs between them."""

    def __init__(self, dsn: str, cluster: Cluster, alias: str) -> None:
        self._dsn = dsn
        self._cluster = cluster
        self._alias = alias
        live = Indices(cluster, alias).live()
        if not live:
            raise SearchUnavailable(
                f"there is no index behind the alias {alias}", hint="run `oeventdb reindex` first"
            )

    def compare(self, progress: Report) -> tuple[int, list[int | str]]:
        """Return how many documents the database has, and the ids that differ at first sight."""
        self._cluster.request("POST", f"/{self._alias}/_refresh", patience=PATIENCE)
        suspects: list[int | str] = []
        with Snapshot(self._dsn) as snapshot, Listing(self._cluster, self._alias) as listing:
            documents = snapshot.count()
            for seen, (event_id, ours, theirs) in enumerate(
                _merged(_in_database(snapshot), listing.by_id()), start=1
            ):
                if ours != theirs:
                    suspects.append(event_id)
                if seen % _PAGE == 0:
                    progress("verify", seen, documents)
            progress("verify", documents, documents)
            suspects += listing.strays()
        return documents, sorted(set(suspects), key=lambda suspect: (isinstance(suspect, str), suspect))

    def confirm(self, suspects: list[int | str]) -> list[_Difference]:
        """Return what still differs, with what either side has now."""
        found: list[_Difference] = []
        if not suspects:
            return found
        with closing(connect(self._dsn)) as connection:
            # in a transaction, as a session that is idle while Elasticsearch answers may be ended
            unhindered(connection)
            for ids in _batched(suspects):
                theirs = self._versions_in_index(ids)
                events = [event_id for event_id in ids if isinstance(event_id, int)]
                ours: dict[int | str, int] = dict(connection.execute(_CURRENT, (events,)).fetchall())
                found += [
                    _Difference(each, ours.get(each), theirs.get(each))
                    for each in ids
                    if ours.get(each) != theirs.get(each)
                ]
        return found

    def mend(self, found: list[_Difference]) -> None:
        """Send just these events again, or their deletions."""
        events: list[tuple[int, int | None]] = []
        for difference in found:
            if isinstance(difference.id, int):
                events.append((difference.id, difference.theirs))
            else:
                path = f"/{self._alias}/_doc/{quote(difference.id, safe='')}"
                self._cluster.request("DELETE", path, patience=PATIENCE, accept=(404,))
        with closing(connect(self._dsn, autocommit=True)) as connection:
            for chunk in _batched(events):
                ids = [event_id for event_id, _ in chunk]
                connection.execute(_MEND, (ids, [version for _, version in chunk]))
                while True:
                    outcome = outbox.step(connection, self._cluster, self._alias, only=ids)
                    if outcome.put_off:
                        raise SearchUnavailable(f"changes were put off: {outcome.put_off}")
                    if not outcome.taken:
                        break

    def _versions_in_index(self, ids: list[int | str]) -> dict[int | str, int]:
        answer = self._cluster.request(
            "POST",
            f"/{self._alias}/_mget",
            query={"_source": "false", "filter_path": "docs._id,docs._version,docs.found"},
            body={"ids": [str(each) for each in ids]},
            patience=PATIENCE,
        )
        return {document_id(doc["_id"]): doc["_version"] for doc in answer["docs"] if doc.get("found")}


def _in_database(snapshot: Snapshot) -> Iterator[tuple[int, int]]:
    after = -(2**63)
    while page := snapshot.connection.execute(_LISTING, (after, _PAGE)).fetchall():
        yield from page
        after = page[-1][0]


def _batched(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    remaining = iter(items)
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
