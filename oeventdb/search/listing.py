"""Which documents an index has, in which version: read from one point in time, in the order of ids."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from oeventdb.errors import SearchUnavailable
from oeventdb.search.cluster import PATIENCE, require_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from oeventdb.search.cluster import Cluster

_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")

_PAGE = 10_000
"""Documents that are read at a time; Elasticsearch gives no more."""

_KEEP_ALIVE = "5m"

# A page is whole or an error, whatever default the cluster has for how long a search may take.
_TIMEOUT = "30s"

_BIGINT = range(-(2**63), 2**63)


def document_id(text: str) -> int | str:
    """Return the event id that is meant by a document's `_id`, or the `_id` where no event can have it."""
    if text.removeprefix("-").isdecimal() and str(int(text)) == text and int(text) in _BIGINT:
        return int(text)
    return text


class Listing:
    """The documents behind an alias as of one moment; a context manager.

    Ids are taken from the field `id`: it is sorted already, while for the `_id` each document would have to be
    unpacked, which takes four times as long. Whether they are the same is counted page by page.
    """

    def __init__(self, cluster: Cluster, alias: str) -> None:
        self._cluster = cluster
        self._alias = alias
        self._pit = ""
        self._has_strays = False

    def __enter__(self) -> Listing:
        opened = self._cluster.request(
            "POST", f"/{self._alias}/_pit", query={"keep_alive": _KEEP_ALIVE}, patience=PATIENCE
        )
        self._pit = opened["id"]
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # all is read, and it goes by itself after a while
        with suppress(SearchUnavailable):
            self._cluster.request("DELETE", "/_pit", body={"id": self._pit}, accept=(404,))

    def by_id(self) -> Iterator[tuple[int, int]]:
        """Yield the field `id` and the version of every document, in the order of ids."""
        last = None
        for hits in self._pages({"sort": [{"id": "asc"}], "stored_fields": "_none_", "version": True}):
            ids = [hit["sort"][0] for hit in hits]
            if not all(isinstance(event_id, int) for event_id in ids):
                raise SearchUnavailable(
                    f"the field id of the index behind {self._alias} is no integer",
                    hint="map it as long and run `oeventdb reindex`",
                )
            if ids[0] == last or self._count(ids) != len(ids):
                self._has_strays = True
            last = ids[-1]
            yield from zip(ids, (hit["_version"] for hit in hits), strict=True)

    def strays(self) -> Iterator[int | str]:
        """Yield both ids of the documents that are stored under another id than their field `id` says.

        Needs `by_id` to have gone to its end, where it saw whether there are any.
        """
        if not self._has_strays:
            return
        wanted = {"sort": ["_shard_doc"], "_source": False, "docvalue_fields": ["id"]}
        for hit in itertools.chain.from_iterable(self._pages(wanted)):
            stored, said = document_id(hit["_id"]), hit.get("fields", {}).get("id", [])
            if said != [stored]:
                yield from (stored, *said)

    def routed(self) -> Iterator[tuple[int | str, str]]:
        """Yield id and routing of the documents that are stored with one."""
        wanted = {"query": {"exists": {"field": "_routing"}}, "sort": ["_shard_doc"], "_source": False}
        for hit in itertools.chain.from_iterable(self._pages(wanted)):
            yield document_id(hit["_id"]), hit["_routing"]

    def _pages(self, wanted: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
        """Yield pages of hits; the next one is fetched while the caller deals with one."""
        wanted = {**wanted, "size": _PAGE, "track_total_hits": False}
        page = _begun(self._search, wanted)
        while hits := page.result().get("hits"):
            page = _begun(self._search, {**wanted, "search_after": hits[-1]["sort"]})
            yield hits

    def _count(self, ids: list[int]) -> int:
        """Return how many documents are stored under these ids."""
        query = {"ids": {"values": [str(event_id) for event_id in ids]}}
        counted = self._search({"query": query, "size": 0, "track_total_hits": True})
        return int(counted["total"]["value"])

    def _search(self, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._cluster.request(
            "POST",
            "/_search",
            query={
                "filter_path": "pit_id,timed_out,_shards.failed,hits.total.value,"
                + ",".join(f"hits.hits.{name}" for name in ("_id", "_routing", "_version", "sort", "fields"))
            },
            body={**body, "pit": {"id": self._pit, "keep_alive": _KEEP_ALIVE}, "timeout": _TIMEOUT},
            patience=PATIENCE,
        )
        require_whole(answer)
        self._pit = answer["pit_id"]
        return dict(answer.get("hits", {}))


def _begun(call: Callable[[_Argument], _Result], argument: _Argument) -> Future[_Result]:
    """Make a call in a thread; a daemon, because one that hangs must not keep an interrupted process alive."""
    future: Future[_Result] = Future()

    def work() -> None:
        try:
            future.set_result(call(argument))
        except BaseException as exc:  # noqa: BLE001
            future.set_exception(exc)

    threading.Thread(target=work, name="listing", daemon=True).start()
    return future
