"""A storm of writes while everything around them fails: at the end the index equals the database."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from typing import TYPE_CHECKING

import psycopg

from oeventdb import search
from tests.search.proxy import let_pass
from tests.search.storm import EVENTS, LONG, SECONDS, Rebuilder, Searcher, Workers, Writer, change_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from oeventdb.servers.elasticsearch import Search
    from oeventdb.servers.postgres import Postgres
    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy

WRITERS = 8
SEED = int(os.environ.get("OEVENTDB_STORM_SEED", "7"))


def test_after_the_storm_the_index_equals_the_database(
    migrated: str, elastic: Elastic, proxy: Proxy, postgres: Postgres, search_server: Search
) -> None:
    chance = random.Random(SEED)
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    stop = threading.Event()
    writers = [Writer(migrated, stop, SEED * 100 + number) for number in range(WRITERS)]
    searcher = Searcher(elastic, stop)
    rebuilder = Rebuilder(migrated, elastic, [elastic.url, proxy.url], stop)
    workers = Workers(migrated, elastic, proxy.url)
    changed_at_once = [0]

    def cut() -> None:
        proxy.verdict = lambda _: None
        time.sleep(0.7)
        proxy.verdict = let_pass

    def hold() -> None:
        proxy.flowing.clear()
        time.sleep(0.7)
        proxy.flowing.set()

    def restart_postgresql() -> None:
        if postgres.local is not None:
            postgres.local.stop()
            postgres.local.start()

    def restart_elasticsearch() -> None:
        # it takes longer than the short storm
        if LONG and search_server.local is not None:
            with searcher.resting():
                search_server.local.stop()
                search_server.local.start()

    troubles: list[Callable[[], None]] = [
        lambda: changed_at_once.append(change_all(migrated)),
        lambda: workers.kill_one(chance),
        cut,
        hold,
        restart_elasticsearch,
        restart_postgresql,
        lambda: workers.kill_one(chance),
        lambda: _end_sessions(migrated),
    ]
    threads = (*writers, searcher, rebuilder)
    try:
        for thread in threads:
            thread.start()
        until = time.monotonic() + SECONDS
        for trouble in itertools.cycle(troubles):
            time.sleep(chance.random() * (2 if LONG else 0.3))
            if time.monotonic() > until:
                break
            trouble()
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)
        workers.kill()
    assert not any(thread.is_alive() for thread in threads)
    assert rebuilder.rebuilt >= 1
    assert max(changed_at_once) > 0.9 * EVENTS
    assert sum(writer.written for writer in writers) > 100
    assert searcher.asked > 20
    assert searcher.wrong == []

    search.sync(migrated, elastic.url, alias=elastic.alias, once=True)
    found = search.verify(migrated, elastic.url, alias=elastic.alias)
    assert (found.missing, found.stale, found.surplus) == ([], [], [])
    with psycopg.connect(migrated) as connection:
        assert differing(connection, elastic) == []
        lag = connection.execute("SELECT pending, dead FROM oeventdb_internal.search_lag()")
        assert lag.fetchone() == (0, 0)


def differing(connection: psycopg.Connection, elastic: Elastic) -> list[int]:
    """Return the ids of events whose version or document is not what the index has, byte for byte.

    The document as search_documents() gives it, and the bytes that were sent for it.
    """
    connection.execute("CREATE TEMP TABLE indexed (event_id bigint, search_version bigint, source text)")
    with connection.cursor() as cursor, cursor.copy("COPY indexed FROM STDIN") as copy:
        for row in elastic.sources():
            copy.write_row(row)
    rows = connection.execute(
        r"""
        SELECT event_id
        FROM oeventdb.search_documents() AS d
        JOIN oeventdb_internal.search_bulk(-9223372036854775808, 1000000) AS b USING (event_id)
        FULL JOIN indexed AS i USING (event_id)
        WHERE (d.search_version, d.document::text, split_part(b.lines, E'\n', 2))
            IS DISTINCT FROM (i.search_version, i.source::jsonb::text, i.source)
        ORDER BY event_id
        """
    )
    return [event_id for (event_id,) in rows]


def _end_sessions(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
