"""`oeventdb sync` against raw bulk requests of the same documents, and how soon one change arrives.

Every event of a live index is changed. The limit: the same lines, rendered beforehand, posted from
several threads to an index of the same kind that has the same documents. Both up to the refreshed
index, or what is put off until then would not count. Then an idle `oeventdb sync` is given one change at a time.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import psycopg

from bench import _scratch
from bench._search import Elastic, bodies, database_of_events, parser, post, ratio
from oeventdb import search
from oeventdb.servers.elasticsearch import find_elasticsearch

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_LEAST = 0.8
_LATENCY = 1.0
_CHANGES = 200
_WARM_UP = 4
"""Rounds before those that count: Elasticsearch compiles its hot code while it works."""

_LINES = "SELECT oeventdb_internal.search_bulk() LIMIT %s"


def main(arguments: list[str] | None = None) -> None:
    """Print the ratio, and the latency of single changes."""
    options = parser("sync", __doc__, events=20_000, rounds=7).parse_args(arguments)
    with ExitStack() as stack:
        server = stack.enter_context(_scratch.server(options.dsn))
        found = stack.enter_context(find_elasticsearch(options.elasticsearch_url, on_disk=True))
        print(found.description)
        elastic = Elastic(found.url)
        stack.callback(elastic.clear)
        dsn = stack.enter_context(database_of_events(server, options.events))
        _throughput(dsn, elastic, options.events, options.rounds)
        _latency(dsn, elastic, options.events)


def _throughput(dsn: str, elastic: Elastic, events: int, rounds: int) -> None:
    definition = search.load()
    elastic.create({"settings": {"index": definition.settings}, "mappings": definition.mappings})
    search.reindex(dsn, elastic.url, alias=elastic.ALIAS)
    post(elastic, _rendered(dsn, events))
    raw, ours = [], []
    for number in range(1 - _WARM_UP, rounds + 1):
        _scratch.execute(
            dsn, f"UPDATE public.events SET name = 'Conference ' || id || ' {number}'", "VACUUM ANALYZE"
        )
        whole = _rendered(dsn, events)
        if number % 2:
            theirs, own = _post(elastic, whole), _sync(dsn, elastic, events)
        else:
            own, theirs = _sync(dsn, elastic, events), _post(elastic, whole)
        if number > 0:
            raw.append(theirs)
            ours.append(own)
            print(
                f"round {number}: sync {events / own:,.0f} documents/s, raw bulk {events / theirs:,.0f}",
                flush=True,
            )
    print(f"sync : raw bulk, {events} changed events   {ratio(raw, ours):.2f}   (at least {_AT_LEAST})")


def _rendered(dsn: str, events: int) -> list[bytes]:
    with psycopg.connect(dsn) as connection:
        return bodies(lines.encode() for (lines,) in connection.execute(_LINES, (events,)))


def _post(elastic: Elastic, whole: list[bytes]) -> float:
    started = time.perf_counter()
    post(elastic, whole)
    elastic.client.indices.refresh(index=elastic.INDEX)
    return time.perf_counter() - started


def _sync(dsn: str, elastic: Elastic, events: int) -> float:
    """Empty the outbox; return the seconds up to the refreshed index."""
    started = time.perf_counter()
    done = search.sync(dsn, elastic.url, alias=elastic.ALIAS, once=True)
    elastic.client.indices.refresh(index=elastic.ALIAS)
    seconds = time.perf_counter() - started
    assert done.documents == events, done
    return seconds


def _latency(dsn: str, elastic: Elastic, events: int) -> None:
    """Change one event at a time, at a random moment, and watch it leave the outbox."""
    waits = []
    with _running(dsn, elastic) as worker, psycopg.connect(dsn, autocommit=True) as connection:
        # the first answer says that the worker is there
        for number in range(_CHANGES + 1):
            event = random.randint(1, events)
            connection.execute("UPDATE public.events SET name = name || '.' WHERE id = %s", (event,))
            committed = time.perf_counter()
            while connection.execute("SELECT FROM oeventdb_internal.search_outbox").rowcount:
                assert worker.poll() is None, "sync has ended"
                time.sleep(0.001)
            if number:
                waits.append(time.perf_counter() - committed)
            time.sleep(random.random() * 0.2)
    p50, p99 = statistics.median(waits), sorted(waits)[int(len(waits) * 0.99)]
    print(
        f"one change, commit to acknowledged: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms,"
        f" longest {max(waits) * 1000:.0f} ms of {len(waits)}   (below {_LATENCY:.0f} s)"
    )


@contextmanager
def _running(dsn: str, elastic: Elastic) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "OEVENTDB_DSN": dsn,
        "OEVENTDB_ELASTICSEARCH_URL": elastic.url,
        "OEVENTDB_ALIAS": elastic.ALIAS,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "oeventdb", "sync"], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


if __name__ == "__main__":
    main()
