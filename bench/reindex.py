"""`oeventdb reindex` against the limit, against the usual way, and how much memory it takes.

The limit: the same NDJSON, rendered beforehand, posted as raw bulk bodies from several threads
into an index with the same mapping and settings. The usual way: fetchall, documents made in
Python, elasticsearch.helpers.bulk with its defaults. All of them up to the refreshed index.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from elasticsearch import helpers
from psycopg.rows import dict_row

from bench._search import Elastic, bodies, command, database_of_events, parser, post, ratio
from oeventdb import search
from oeventdb.servers.elasticsearch import find_elasticsearch
from oeventdb.servers.postgres import find_postgres

_USUAL = """
SELECT id, identifier, name, description, searchable_location_name, organizer_name, organizer_description,
       starts_at, ends_at, timezone, latitude, longitude, privacy
FROM public.events WHERE state = 'published' AND deleted_at IS NULL
"""


def _raw(elastic: Elastic, whole: list[bytes], events: int) -> float:
    """Post the bodies into a new index; return the seconds up to the refreshed index."""
    elastic.create(search.load().while_building(elastic.ALIAS))
    started = time.perf_counter()
    post(elastic, whole)
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


def main(arguments: list[str] | None = None) -> None:
    """Print the ratios; the two rivals run in turn with the command, in every round."""
    options = parser("reindex", __doc__, events=270_000, rounds=3).parse_args(arguments)
    with ExitStack() as stack:
        server = stack.enter_context(find_postgres(options.dsn))
        found = stack.enter_context(find_elasticsearch(options.elasticsearch_url, on_disk=True))
        print(f"{server.description}, {found.description}")
        elastic = Elastic(found.url)
        stack.callback(elastic.clear)
        few = max(options.events // 10, 1)
        with database_of_events(server.dsn, few) as dsn:
            _, peak_of_few = command(elastic, dsn, "reindex", "--keep", "0")
        with database_of_events(server.dsn, options.events) as dsn:
            _compare(elastic, dsn, options.events, options.rounds, (few, peak_of_few))


def _compare(elastic: Elastic, dsn: str, events: int, rounds: int, small: tuple[int, float]) -> None:
    path = Path(f"/tmp/oeventdb-bench-{os.getpid()}.ndjson")  # noqa: S108
    try:
        search.export_to_file(dsn, str(path))
        with path.open("rb") as lines:
            whole = bodies(action + next(lines) for action in lines)
    finally:
        path.unlink(missing_ok=True)
    print(f"{events} events, {sum(map(len, whole)) // events} bytes a document with its action line")
    # the first pass warms Elasticsearch up for all of them
    _raw(elastic, whole, events)
    raw, ours, usual, peaks = [], [], [], []
    for number in range(1, rounds + 1):
        raw.append(_raw(elastic, whole, events))
        seconds, peak = command(elastic, dsn, "reindex", "--keep", "0")
        ours.append(seconds)
        peaks.append(peak)
        usual.append(_usual(elastic, dsn, events))
        print(
            f"round {number}: reindex {events / ours[-1]:,.0f} documents/s, "
            f"raw bulk {events / raw[-1]:,.0f}, helpers.bulk {events / usual[-1]:,.0f}"
        )
    print(f"reindex : raw bulk (the limit)   {ratio(raw, ours):.2f}   (at least 0.9)")
    print(f"reindex : fetchall, helpers.bulk {ratio(usual, ours):.2f}   (at least 2.5)")
    print(
        f"peak memory {small[1]:.0f} MB for {small[0]} events, {max(peaks):.0f} MB for {events} (below 120)"
    )


if __name__ == "__main__":
    main()
