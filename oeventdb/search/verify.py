"""Comparing the index with the database, event by event, and mending just what differs."""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from oeventdb.connection import connect, unhindered, value
from oeventdb.errors import SearchUnavailable
from oeventdb.progress import Report, silent
from oeventdb.search import outbox
from oeventdb.search.cluster import PATIENCE, Cluster, Pauses, reason_of
from oeventdb.search.export import Snapshot
from oeventdb.search.indices import Indices
from oeventdb.search.listing import Listing, document_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    import psycopg
    from psycopg.rows import TupleRow

_Item = TypeVar("_Item")

_PAGE = 10_000
"""Ids and versions that are read from the database at a time."""

_CHUNK = 1000

_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between the looks at what differs, from the start again whenever a worker has brought some of it."""

_LONGEST = 60.0
"""Seconds after which nothing is looked at again."""

_LISTING = "SELECT event_id, search_version FROM oeventdb_internal.search_listing(%s, %s)"
_CURRENT = (
    "SELECT event_id, search_version, belongs, waits FROM oeventdb_internal.search_current(%s::bigint[])"
)
_SERVE = "SELECT oeventdb_internal.search_serve(%s)"
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
    routing: str | None = None
    """What a document is stored with that is none of ours: these have no routing."""

    @property
    def kind(self) -> str:
        if self.theirs is None:
            return "missing"
        return "surplus" if self.ours is None else "stale"


@dataclass(frozen=True, slots=True)
class _State:
    """An event on either side: its version, whether it belongs in the index and waits in the outbox; the index' version."""

    version: int
    belongs: bool
    waits: bool
    theirs: int | None

    @property
    def ours(self) -> int | None:
        return self.version if self.belongs else None

    def follows(self, before: _State) -> bool:
        """Return whether the event has changed since, and the index has what the database had before."""
        if self.theirs is None:
            return self.version != before.version and not before.belongs
        return before.version <= self.theirs < self.version


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

    Changes on their way do not count, unless they wait in the outbox for a worker that does not
    run. Memory does not grow with the number of events, only with that of differences.
    """
    with Cluster(elasticsearch_url, api_key=api_key) as cluster:
        # asked once, without patience: a wrong DSN or URL is told at once
        connect(dsn).close()
        indices = Indices(cluster, alias)
        indices.found()
        indices.require_live()
        comparison = _Comparison(dsn, cluster, alias)
        documents, suspects = comparison.compare(progress)
        found = comparison.confirm(suspects)
        left = {difference.id for difference in (comparison.mend(found) if repair else found)}
    ids: dict[str, list[Any]] = {"missing": [], "stale": [], "surplus": []}
    for difference in found:
        if difference.id not in ids[difference.kind]:
            ids[difference.kind].append(difference.id)
    repaired = sum(event_id not in left for event_id in itertools.chain.from_iterable(ids.values()))
    return Verified(documents, ids["missing"], ids["stale"], ids["surplus"], repaired)


class _Comparison:
    """The two sides and what differs between them."""

    def __init__(self, dsn: str, cluster: Cluster, alias: str) -> None:
        self._dsn = dsn
        self._cluster = cluster
        self._alias = alias

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
        return documents, sorted(set(suspects), key=_order)

    def confirm(self, suspects: Collection[int | str]) -> list[_Difference]:
        """Return what differs for good, in the order of ids.

        That is what differs at two looks between which the event has not changed, if it did not wait in the outbox at the
        first: whatever has left that is in the index. What waits counts only if nobody brings any of it while the pauses grow.
        """
        found: list[_Difference] = []
        with closing(connect(self._dsn)) as connection:
            # in a transaction, as a session that is idle while Elasticsearch answers may be ended
            unhindered(connection)
            before = self._look(connection, suspects)
            waiting: set[int | str] = set()
            pauses, end = iter(_PAUSES), time.monotonic() + _LONGEST
            while before and time.monotonic() < end and (pause := next(pauses, None)):
                time.sleep(pause)
                now = self._look(connection, before)
                same = {each for each, state in now.items() if state.version == before[each].version}
                certain = {each for each in same if not before[each].waits}
                found += [_Difference(each, now[each].ours, now[each].theirs) for each in certain]
                left = {
                    each: state
                    for each, state in now.items()
                    if each not in certain and not state.follows(before[each])
                }
                waiting = same & left.keys()
                if len(left) + len(certain) < len(before):
                    pauses, waiting = iter(_PAUSES), set()
                before = left
        found += [_Difference(each, before[each].ours, before[each].theirs) for each in waiting]
        found += self._routed()
        return sorted(found, key=lambda difference: _order(difference.id))

    def _look(
        self, connection: psycopg.Connection[TupleRow], suspects: Iterable[int | str]
    ) -> dict[int | str, _State]:
        """Return those of the suspects that differ; the index first, which may only be behind then."""
        differing: dict[int | str, _State] = {}
        for ids in _batched(suspects):
            theirs = self._versions_in_index(ids)
            events = [event_id for event_id in ids if isinstance(event_id, int)]
            ours = {row[0]: row[1:] for row in connection.execute(_CURRENT, (events,))}
            for each in ids:
                version, belongs, waits = ours.get(each, (0, False, False))
                state = _State(version, belongs, waits, theirs.get(each))
                if state.ours != state.theirs:
                    differing[each] = state
        return differing

    def _routed(self) -> list[_Difference]:
        """Return the documents stored with a routing: a look-up by id may pass over them, a search does not."""
        self._cluster.request("POST", f"/{self._alias}/_refresh", patience=PATIENCE)
        with Listing(self._cluster, self._alias) as listing:
            return [_Difference(each, None, 0, routing) for each, routing in listing.routed()]

    def mend(self, found: list[_Difference]) -> list[_Difference]:
        """Send just these events again, or their deletions; return what is left.

        Events that somebody else is changing come at a later look.
        """
        if found:
            self._serve()
        pauses = Pauses(PATIENCE)
        while found:
            passed_over = self._send(found)
            found = self.confirm({difference.id for difference in found})
            if not passed_over or not pauses.wait():
                break
        return found

    def _serve(self) -> None:
        with closing(connect(self._dsn, autocommit=True)) as connection:
            # what is mended leaves the outbox, and reaches no other index
            is_served = value(connection, _SERVE, (self._alias,))
        if not is_served:
            raise SearchUnavailable(
                f"another alias than {self._alias} is kept up to date, and only that one can be repaired",
                hint=f"rebuild this one: `oeventdb reindex --alias {self._alias}`",
            )

    def _send(self, found: list[_Difference]) -> int:
        """Send these events again, or their deletions; return how many were passed over."""
        versions: dict[int, int] = {}
        for difference in found:
            if isinstance(difference.id, int):
                # not NULL, which a session with array_nulls off does not read; nor twice
                versions[difference.id] = max(versions.get(difference.id, 1), difference.theirs or 1)
            if isinstance(difference.id, str) or difference.routing is not None:
                path = f"/{self._alias}/_doc/{quote(str(difference.id), safe='')}"
                query = None if difference.routing is None else {"routing": difference.routing}
                self._cluster.request("DELETE", path, query=query, patience=PATIENCE, accept=(404,))
        passed_over = 0
        with closing(connect(self._dsn, autocommit=True)) as connection:
            for ids in _batched(versions):
                with connection.transaction():
                    unhindered(connection)
                    passed_over += value(connection, _MEND, (ids, [versions[each] for each in ids]))
        self._bring(versions)
        return passed_over

    def _bring(self, event_ids: Iterable[int]) -> None:
        """Send what waits of these events, or set it aside; what Elasticsearch puts off has another turn after the others."""
        tries, pauses = outbox.Tries(), Pauses(PATIENCE)
        turns = deque(_batched(event_ids))
        while turns:
            ids = turns.popleft()
            # each time anew: one that is idle during a pause may be ended
            with closing(connect(self._dsn, autocommit=True)) as connection:
                outcome = outbox.step(connection, self._cluster, self._alias, only=ids, tries=tries)
            sent = outcome.sent
            left = [each for each in ids if each not in sent]
            if sent:
                pauses = Pauses(PATIENCE)
            if outcome.put_off:
                if not pauses.wait():
                    raise SearchUnavailable(f"changes were put off: {outcome.put_off}")
                turns.append(left)
            elif outcome.taken and left:
                # too much for one request; what stays in the outbox is being changed: who changes it brings it
                turns.appendleft(left)

    def _versions_in_index(self, ids: list[int | str]) -> dict[int | str, int]:
        answer = self._cluster.request(
            "POST",
            f"/{self._alias}/_mget",
            query={"_source": "false", "filter_path": "docs._id,docs._version,docs.found,docs.error"},
            body={"ids": [str(each) for each in ids]},
            patience=PATIENCE,
        )
        for doc in answer["docs"]:
            if "error" in doc:
                raise SearchUnavailable(f"a part of the index did not answer: {reason_of(doc)}")
        return {document_id(doc["_id"]): doc["_version"] for doc in answer["docs"] if doc.get("found")}


def _in_database(snapshot: Snapshot) -> Iterator[tuple[int, int]]:
    after = -(2**63)
    # the pages begin after an id, and no id is before this one
    for event_id, version, belongs, _ in snapshot.connection.execute(_CURRENT, ([after],)).fetchall():
        if belongs:
            yield event_id, version
    while page := snapshot.connection.execute(_LISTING, (after, _PAGE)).fetchall():
        yield from page
        after = page[-1][0]


def _order(event_id: int | str) -> tuple[bool, int | str]:
    return isinstance(event_id, str), event_id


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
