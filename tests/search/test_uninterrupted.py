"""Searching while the index is rebuilt again and again: no error, and no answer that is not whole."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest

from oeventdb import search
from oeventdb.errors import SearchUnavailable
from oeventdb.search.indices import Indices
from tests.search.storm import LONG
from tests.search.test_set_aside import refusal

if TYPE_CHECKING:
    import psycopg

    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy

REBUILDS = 20 if LONG else 4
EVENTS = 500
ASKERS = 4
INTERVAL = 0.001
"""Seconds from one search to the next, of whichever asker."""


class Asker(threading.Thread):
    """Asks for everything, when its turn comes; notes every answer that is not everything."""

    def __init__(self, elastic: Elastic, turns: Turns, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        parts = urllib.parse.urlsplit(elastic.url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self._targets = itertools.cycle([elastic.alias, elastic.public])
        self._turns = turns
        self._stop_event = stop
        self.asked = 0
        self.wrong: list[Any] = []

    def run(self) -> None:
        """Ask until told to stop."""
        while not self._stop_event.is_set():
            self._turns.wait()
            self._connection.request("GET", f"/{next(self._targets)}/_search?size=0&track_total_hits=true")
            response = self._connection.getresponse()
            answer = json.loads(response.read())
            self.asked += 1
            whole = (
                response.status == 200
                and answer["hits"]["total"] == {"value": EVENTS, "relation": "eq"}
                and answer["_shards"]["failed"] == 0
                and answer["timed_out"] is False
            )
            if not whole:
                self.wrong.append(answer)
        self._connection.close()


class Turns:
    """Gives everybody who waits a turn of their own, one an interval."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = time.monotonic()

    def wait(self) -> None:
        """Wait for the next turn; none is made up for that was missed."""
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next + INTERVAL, now)
            pause = self._next - now
        time.sleep(pause)


def test_searching_every_millisecond_during_rebuilds_always_finds_everything(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    db.execute(
        "INSERT INTO events (name, starts_at, ends_at, timezone, state, privacy)"
        " SELECT 'Event ' || g, now(), now(), 'UTC', 'published', 'public' FROM generate_series(1, %s) AS g",
        (EVENTS,),
    )
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    stop = threading.Event()
    turns = Turns()
    askers = [Asker(elastic, turns, stop) for _ in range(ASKERS)]
    for asker in askers:
        asker.start()
    try:
        for number in range(REBUILDS):
            # with keep=0 the index that was searched until then is removed at once
            search.reindex(migrated, elastic.url, alias=elastic.alias, keep=number % 2)
    finally:
        stop.set()
        for asker in askers:
            asker.join(60)
    assert [answer for asker in askers for answer in asker.wrong] == []
    assert all(asker.asked > REBUILDS for asker in askers)


@pytest.mark.parametrize("beginning", [b"POST /_aliases", b"DELETE /"])
def test_a_swap_that_comes_late_takes_no_index_away(
    migrated: str, elastic: Elastic, proxy: Proxy, beginning: bytes
) -> None:
    """It was on its way when the rebuild gave up, and is there just before a request to clear up."""
    live = search.reindex(migrated, elastic.url, alias=elastic.alias).index
    swap: list[dict[str, Any]] = []
    statuses: list[int] = []

    def verdict(chunk: bytes) -> bool | bytes:
        if not swap and chunk.startswith(b"POST /_aliases"):
            built = max(elastic.indices())
            with search.Cluster(elastic.url) as cluster:
                swap[:] = Indices(cluster, elastic.alias)._swap_actions(built)
            return refusal(500)
        if swap and not statuses and chunk.startswith(beginning):
            statuses.append(elastic.call("POST", "/_aliases", {"actions": swap})[0])
        return True

    proxy.verdict = verdict
    with pytest.raises(SearchUnavailable):
        search.reindex(migrated, proxy.url, alias=elastic.alias)
    assert statuses
    (found,) = elastic.behind()
    assert elastic.behind(elastic.public) == [found]
    assert (found != live) == (statuses == [200])
    assert len(elastic.indices()) == 1 + (found != live)


def test_what_was_withdrawn_and_is_there_still_is_removed_by_the_next_rebuild(
    migrated: str, elastic: Elastic
) -> None:
    with search.Cluster(elastic.url) as cluster:
        indices = Indices(cluster, elastic.alias)
        indices._withdraw(indices.create(search.load()))
    built = search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert list(elastic.indices()) == [built.index]
