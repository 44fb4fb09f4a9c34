"""Bulk requests: several in flight, every item acknowledged or the reason given."""

from __future__ import annotations

import itertools
import json
import queue
import threading
from typing import TYPE_CHECKING, Any

from elastic_transport import SerializationError, TransportError

from oeventdb.errors import SearchUnavailable, SearchUnreachable
from oeventdb.search.cluster import RETRIED, Pauses, reason_of
from oeventdb.search.export import Body

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from oeventdb.search.cluster import Cluster

IN_FLIGHT = 4
"""Bulk requests under way at once."""

# How a body is sent: never make an index that is not there. While nothing goes wrong in a rebuild, which counts its
# documents in the end, the one word "errors": false acknowledges every item; a body with an error in it is sent
# again, which external versions allow, to hear about each item. For a shard that no node has it waits less long than
# we wait for an answer, so that the answer tells.
_ALWAYS = {"require_alias": "true", "timeout": "20s"}
BRIEF = {**_ALWAYS, "filter_path": "errors"}
DETAILED = {**_ALWAYS, "filter_path": "errors,items.*._index,items.*.status,items.*.result,items.*.error"}

_SHOWN = 3


class BulkFailed(SearchUnavailable):
    """Elasticsearch refused documents."""


class Abandoned(Exception):
    """The rest is not wanted any more, because another request has failed."""


class BulkSender:
    """Sends bodies to an alias from several threads; a context manager.

    `send` blocks while enough is under way, so memory is bounded by IN_FLIGHT + 2 bodies. The
    first failure is raised by the next `send` or by `finish`; leaving the block without
    `finish` abandons what has not been sent.
    """

    def __init__(
        self,
        cluster: Cluster,
        alias: str,
        *,
        patience: float,
    ) -> None:
        self._cluster = cluster
        self._path = f"/{alias}/_bulk"
        self._patience = patience
        self._waiting: queue.Queue[Body | None] = queue.Queue(maxsize=1)
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._lock = threading.Lock()
        self.acknowledged = 0
        # daemons: a request that hangs must not keep an interrupted process alive
        self._threads = [
            threading.Thread(target=self._work, name=f"bulk-{number}", daemon=True)
            for number in range(IN_FLIGHT)
        ]

    def __enter__(self) -> BulkSender:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()

    def send(self, body: Body) -> None:
        """Hand over a body; raise what has failed so far."""
        self._put(body)

    def finish(self) -> int:
        """Wait for every acknowledgement; return how many documents were acknowledged."""
        for _ in self._threads:
            self._put(None)
        for thread in self._threads:
            thread.join()
        if self._failure:
            raise self._failure
        return self.acknowledged

    def _put(self, body: Body | None) -> None:
        while True:
            if self._failure:
                raise self._failure
            try:
                self._waiting.put(body, timeout=0.2)
            except queue.Full:
                continue
            return

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                body = self._waiting.get(timeout=0.2)
            except queue.Empty:
                continue
            if body is None:
                return
            try:
                self._deliver(body)
            except Abandoned:
                return
            except Exception as exc:  # noqa: BLE001
                with self._lock:
                    self._failure = self._failure or exc
                self._stop.set()
                return
            with self._lock:
                self.acknowledged += body.documents

    def _deliver(self, body: Body) -> None:
        """Send a body, and again what was put off, until every item is acknowledged."""
        pauses = Pauses(self._patience)
        left, why = self._attempt(body, BRIEF)
        while left:
            if not pauses.wait(self._stop):
                if self._stop.is_set():
                    raise Abandoned
                raise SearchUnreachable(f"{why}, for {self._patience:.0f} s, to {_described(left)}")
            left, why = self._attempt(left, DETAILED)

    def _attempt(self, body: Body, query: dict[str, str]) -> tuple[Body | None, str]:
        """Send a body once; return what of it has to be sent again, and why."""
        try:
            answer = self._cluster.attempt("POST", self._path, query=query, body=body.ndjson, ndjson=True)
        except (TransportError, SerializationError) as exc:
            return body, str(self._cluster.unreachable(exc))
        if answer.status in RETRIED:
            return body, str(self._cluster.refused(answer))
        if answer.status == 413:
            if body.documents == 1:
                raise BulkFailed(f"{_described(body)} is too large for {self._cluster.where}")
            middle = body.documents // 2
            for half in (range(middle), range(middle, body.documents)):
                self._deliver(_part(body, half))
            return None, ""
        if answer.status >= 400:
            raise self._cluster.refused(answer)
        return _unacknowledged(body, answer.body)


def _unacknowledged(body: Body, response: dict[str, Any]) -> tuple[Body | None, str]:
    """Return the items that were put off; raise BulkFailed if any was refused."""
    if response.get("errors") is False:
        return None, ""
    if "items" not in response:
        return body, "documents were refused"
    items = [result for item in response["items"] for result in item.values()]
    if len(items) != body.documents:
        raise BulkFailed(f"{len(items)} of {body.documents} documents were acknowledged")
    # 409: the index has this version or a newer one, for instance from an attempt whose answer was lost
    open_items = [
        (position, item)
        for position, item in enumerate(items)
        if item["status"] >= 300 and item["status"] != 409
    ]
    refused = [(position, item) for position, item in open_items if item["status"] not in RETRIED]
    if refused:
        lines = body.ndjson.split(b"\n")
        said = "; ".join(
            f"event {_event_id(lines[2 * position])}: {reason_of(item)}"
            for position, item in refused[:_SHOWN]
        )
        raise BulkFailed(f"{len(refused)} of {body.documents} documents were refused: {said}")
    if not open_items:
        return None, ""
    put_off = _part(body, [position for position, _ in open_items])
    return put_off, f"{put_off.documents} documents were put off: {reason_of(open_items[0][1])}"


def _part(body: Body, positions: Sequence[int]) -> Body:
    """Return the documents at these positions."""
    lines = body.ndjson.split(b"\n")
    kept = b"".join(line + b"\n" for position in positions for line in lines[2 * position : 2 * position + 2])
    return Body(kept, len(positions))


def _event_id(action: bytes) -> str:
    return str(json.loads(action)["index"]["_id"])


def _described(body: Body) -> str:
    actions = itertools.islice(body.ndjson.split(b"\n"), 0, 2 * _SHOWN, 2)
    ids = ", ".join(_event_id(action) for action in actions if action)
    more = ", ..." if body.documents > _SHOWN else ""
    return f"a bulk request of {len(body.ndjson)} bytes (events {ids}{more})"
