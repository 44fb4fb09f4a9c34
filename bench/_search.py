"""What the benchmarks of the search index share: a database of events, Elasticsearch, raw bulk requests."""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from elasticsearch import Elasticsearch

from bench import _scratch
from oeventdb import schema
from oeventdb.search.bulk import IN_FLIGHT
from oeventdb.search.export import BODY_BYTES

_WORDS = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit conference speaker workshop community "
    "open source data network people travel evening lunch keynote session talk track"
).split()

_FILL = """
INSERT INTO public.events (
    identifier, name, starts_at, ends_at, timezone, state, privacy, description,
    searchable_location_name, organizer_name, organizer_description, latitude, longitude)
SELECT
    left(md5(g::text), 8), 'Conference ' || g || ' on ' || (ARRAY['python', 'ruby', 'go', 'data', 'rust'])[1 + g %% 5],
    '2020-01-01'::timestamptz + g * interval '7 min', '2020-01-02'::timestamptz + g * interval '7 min',
    'UTC', 'published', CASE WHEN g %% 20 = 0 THEN 'private' ELSE 'public' END,
    (SELECT string_agg((%(words)s::text[])[1 + (hashint8(g * 1000 + w) & 2147483647) %% 24], ' ')
     FROM generate_series(1, 90) AS w),
    (ARRAY['Berlin', 'Paris', 'London', 'Delhi', 'Singapore', 'New York'])[1 + g %% 6], 'Organizer ' || g %% 1000,
    'We organize "things" since ' || g %% 50, g %% 180 - 89.5, g %% 360 - 179.75
FROM generate_series(1, %(events)s::bigint) AS g
"""


@contextmanager
def database_of_events(server: str, events: int) -> Iterator[str]:
    """Make a migrated database with so many published events of about 1 kB; drop it afterwards."""
    with _scratch.database(server) as dsn:
        schema.migrate(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(_FILL, {"words": _WORDS, "events": events})
            connection.execute("VACUUM ANALYZE")
        yield dsn


class Elastic:
    """The Elasticsearch of the bench, with one scratch index for the rivals."""

    INDEX = "oeventdb-bench-rival"
    ALIAS = "oeventdb-bench"

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urllib.parse.urlsplit(url)
        self._host = (parts.hostname or "localhost", parts.port or 9200)
        self.client = Elasticsearch(url, request_timeout=120)

    def connection(self) -> http.client.HTTPConnection:
        """Return a bare HTTP connection."""
        return http.client.HTTPConnection(*self._host, timeout=120)

    def create(self, body: dict[str, Any]) -> None:
        """Make the scratch index anew."""
        self.clear()
        self.client.indices.create(index=self.INDEX, **body)

    def clear(self) -> None:
        """Remove everything the bench has made."""
        self.client.indices.delete(index=self.INDEX, ignore_unavailable=True)
        for index in self.client.indices.get(index=f"{self.ALIAS}-*"):
            self.client.indices.delete(index=index)

    def count(self) -> int:
        """Refresh and count the scratch index."""
        self.client.indices.refresh(index=self.INDEX)
        return int(self.client.count(index=self.INDEX)["count"])


def bodies(lines: Iterable[bytes]) -> list[bytes]:
    """Return the lines of documents as bodies of the size that reindex sends."""
    whole, body = [], bytearray()
    for document in lines:
        body += document
        if len(body) >= BODY_BYTES:
            whole.append(bytes(body))
            body.clear()
    return [*whole, bytes(body)] if body else whole


def post(elastic: Elastic, whole: list[bytes]) -> float:
    """Post bodies to the scratch index from as many threads as reindex has; return the seconds."""
    # shared: each body is one thread's
    left = iter(whole)

    def work() -> None:
        with closing(elastic.connection()) as connection:
            for body in left:
                path = f"/{elastic.INDEX}/_bulk?filter_path=errors"
                connection.request("POST", path, body, {"Content-Type": "application/x-ndjson"})
                answer = connection.getresponse().read()
                if answer != b'{"errors":false}':
                    raise SystemExit(f"bench: {answer[:500]!r}")

    started = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        for worker in [pool.submit(work) for _ in range(IN_FLIGHT)]:
            worker.result()
    return time.perf_counter() - started


def command(elastic: Elastic, dsn: str, *arguments: str) -> tuple[float, float]:
    """Run a whole command of ours; return its seconds and the peak memory of its process in MB."""
    environment = {
        **os.environ,
        "OEVENTDB_DSN": dsn,
        "OEVENTDB_ELASTICSEARCH_URL": elastic.url,
        "OEVENTDB_ALIAS": elastic.ALIAS,
    }
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "oeventdb", *arguments], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, _peak_memory(process.pid))
            time.sleep(0.02)
        seconds = time.perf_counter() - started
        if process.returncode:
            assert process.stderr is not None
            raise SystemExit(f"bench: {process.stderr.read()}")
    return seconds, peak


def _peak_memory(pid: int) -> float:
    """Return the highest resident memory of a process so far in MB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return 0.0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def ratio(rival: list[float], ours: list[float]) -> float:
    """Return how many times as fast we are: the median over the rounds."""
    return statistics.median(theirs / own for theirs, own in zip(rival, ours, strict=True))


def parser(name: str, text: str | None, *, events: int, rounds: int) -> argparse.ArgumentParser:
    """Return the options that these benchmarks have in common."""
    options = argparse.ArgumentParser(prog=f"python -m bench {name}", description=text)
    options.add_argument("--events", type=int, default=events)
    options.add_argument("--rounds", type=int, default=rounds)
    options.add_argument("--dsn", default=os.environ.get("OEVENTDB_TEST_DSN"))
    options.add_argument("--elasticsearch-url", default=os.environ.get("OEVENTDB_TEST_ELASTICSEARCH_URL"))
    return options
