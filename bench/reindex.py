"""`oeventdb reindex` against the limit, against the usual way, and how much memory it takes.

The limit: the same NDJSON, rendered beforehand, posted as raw bulk bodies from several threads
into an index with the same mapping and settings. The usual way: fetchall, documents made in
Python, elasticsearch.helpers.bulk with its defaults. All of them up to the refreshed index.
"""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from elasticsearch import Elasticsearch, helpers
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from oeventdb import schema, search
from oeventdb.search.bulk import IN_FLIGHT
from oeventdb.search.export import BODY_BYTES
from oeventdb.servers.elasticsearch import find_elasticsearch
from oeventdb.servers.postgres import find_postgres

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

_USUAL = """
SELECT id, identifier, name, description, searchable_location_name, organizer_name, organizer_description,
       starts_at, ends_at, timezone, latitude, longitude, privacy
FROM public.events WHERE state = 'published' AND deleted_at IS NULL
"""


@contextmanager
def _database(server: str, events: int) -> Iterator[str]:
    """Make a migrated database with so many published events of about 1 kB; drop it afterwards."""
    name = f"oeventdb_bench_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            dsn = make_conninfo(server, dbname=name)
            schema.migrate(dsn)
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(_FILL, {"words": _WORDS, "events": events})
                connection.execute("VACUUM ANALYZE")
            yield dsn
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


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


def _bodies(path: Path) -> list[bytes]:
    """Return the NDJSON of a file as bodies of the size that reindex sends."""
    bodies, body = [], bytearray()
    with path.open("rb") as lines:
        for action in lines:
            body += action + next(lines)
            if len(body) >= BODY_BYTES:
                bodies.append(bytes(body))
                body.clear()
    return [*bodies, bytes(body)] if body else bodies


def _raw(elastic: Elastic, bodies: list[bytes], events: int) -> float:
    """Post the bodies from several threads; return the seconds up to the refreshed index."""
    elastic.create(search.load().while_building(elastic.ALIAS))
    left = deque(bodies)

    def work() -> None:
        connection = elastic.connection()
        while left:
            try:
                body = left.popleft()
            except IndexError:
                break
            path = f"/{elastic.INDEX}/_bulk?filter_path=errors"
            connection.request("POST", path, body, {"Content-Type": "application/x-ndjson"})
            answer = connection.getresponse().read()
            if answer != b'{"errors":false}':
                raise SystemExit(f"bench: {answer[:500]!r}")
        connection.close()

    started = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(IN_FLIGHT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = elastic.count()
    seconds = time.perf_counter() - started
    assert counted == events, (counted, events)
    return seconds


def _usual(elastic: Elastic, dsn: str, events: int) -> float:
    """Index as it is usually done; return the seconds up to the refreshed index."""
    definition = search.load()
    elastic.create({"settings": {"index": definition.settings}, "mappings": definition.mappings})
    started = time.perf_counter()
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        rows = connection.execute(_USUAL).fetchall()
    helpers.bulk(
        elastic.client, ({"_index": elastic.INDEX, "_id": row["id"], **_document(row)} for row in rows)
    )
    counted = elastic.count()
    seconds = time.perf_counter() - started
    assert counted == events, (counted, events)
    return seconds


def _document(row: dict[str, Any]) -> dict[str, Any]:
    latitude, longitude = row.pop("latitude"), row.pop("longitude")
    return {**row, "location": {"lat": latitude, "lon": longitude}}


def _reindex(elastic: Elastic, dsn: str) -> tuple[float, float]:
    """Run the whole command; return its seconds and the peak memory of its process in MB."""
    command = [sys.executable, "-m", "oeventdb", "reindex", "--keep", "0"]
    environment = {
        **os.environ,
        "OEVENTDB_DSN": dsn,
        "OEVENTDB_ELASTICSEARCH_URL": elastic.url,
        "OEVENTDB_ALIAS": elastic.ALIAS,
    }
    started = time.perf_counter()
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
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


def main(arguments: list[str] | None = None) -> None:
    """Print the ratios; the two rivals run in turn with the command, in every round."""
    parser = argparse.ArgumentParser(prog="python -m bench reindex", description=__doc__)
    parser.add_argument("--events", type=int, default=270_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dsn", default=os.environ.get("OEVENTDB_TEST_DSN"))
    parser.add_argument("--elasticsearch-url", default=os.environ.get("OEVENTDB_TEST_ELASTICSEARCH_URL"))
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        server = stack.enter_context(find_postgres(options.dsn))
        found = stack.enter_context(find_elasticsearch(options.elasticsearch_url))
        print(f"{server.description}, {found.description}")
        elastic = Elastic(found.url)
        stack.callback(elastic.clear)
        few = max(options.events // 10, 1)
        with _database(server.dsn, few) as dsn:
            _, peak_of_few = _reindex(elastic, dsn)
        with _database(server.dsn, options.events) as dsn:
            _compare(elastic, dsn, options.events, options.rounds, (few, peak_of_few))


def _compare(elastic: Elastic, dsn: str, events: int, rounds: int, small: tuple[int, float]) -> None:
    path = Path(f"/tmp/oeventdb-bench-{os.getpid()}.ndjson")  # noqa: S108
    try:
        search.export_to_file(dsn, str(path))
        bodies = _bodies(path)
    finally:
        path.unlink(missing_ok=True)
    print(f"{events} events, {sum(map(len, bodies)) // events} bytes a document with its action line")
    # the first pass warms Elasticsearch up for all of them
    _raw(elastic, bodies, events)
    raw, ours, usual, peaks = [], [], [], []
    for number in range(1, rounds + 1):
        raw.append(_raw(elastic, bodies, events))
        seconds, peak = _reindex(elastic, dsn)
        ours.append(seconds)
        peaks.append(peak)
        usual.append(_usual(elastic, dsn, events))
        print(
            f"round {number}: reindex {events / ours[-1]:,.0f} documents/s, "
            f"raw bulk {events / raw[-1]:,.0f}, helpers.bulk {events / usual[-1]:,.0f}"
        )
    print(f"reindex : raw bulk (the limit)   {_ratio(raw, ours):.2f}   (at least 0.9)")
    print(f"reindex : fetchall, helpers.bulk {_ratio(usual, ours):.2f}   (at least 2.5)")
    print(
        f"peak memory {small[1]:.0f} MB for {small[0]} events, {max(peaks):.0f} MB for {events} (below 120)"
    )


def _ratio(rival: list[float], ours: list[float]) -> float:
    return statistics.median(theirs / own for theirs, own in zip(rival, ours, strict=True))


if __name__ == "__main__":
    main()
