"""A storm of writes while everything around them fails: at the end the index equals the database."""

from __future__ import annotations

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
    from oeventdb.servers.elasticsearch import Search
    from oeventdb.servers.postgres import Postgres
    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy

WRITERS = 8
SEED = int(os.environ.get("OEVENTDB_STORM_SEED", "7"))


class Troubles:
    """What goes wrong, one thing after the other."""

    def __init__(
        self, dsn: str, workers: Workers, proxy: Proxy, postgres: Postgres, engine: Search, searcher: Searcher
    ) -> None:
        self._dsn = dsn
        self._workers = workers
        self._proxy = proxy
        self._postgres = postgres
        self._engine = engine
        self._searcher = searcher
        self._chance = random.Random(SEED)
        self.changed_at_once = 0

    def pass_over(self, seconds: float) -> None:
        """Have all of them, one after the other, again and again for so long."""
        until = time.monotonic() + seconds
        troubles = [
            self._change_all,
            self._kill,
            self._cut,
            self._hold,
            self._restart_elasticsearch,
            self._restart_postgresql,
            self._kill,
            self._end_sessions,
        ]
        while time.monotonic() < until:
            for trouble in troubles:
                time.sleep(self._chance.random() * (2 if LONG else 0.3))
                trouble()

    def _change_all(self) -> None:
        self.changed_at_once = max(self.changed_at_once, change_all(self._dsn))

    def _kill(self) -> None:
        self._workers.kill_one(self._chance)

    def _cut(self) -> None:
        self._proxy.verdict = lambda _: None
        time.sleep(0.7)
        self._proxy.verdict = let_pass

    def _hold(self) -> None:
        self._proxy.flowing.clear()
        time.sleep(0.7)
        self._proxy.flowing.set()

    def _restart_elasticsearch(self) -> None:
        # it takes longer than the short storm
        if LONG and self._engine.local is not None:
            with self._searcher.resting():
                self._engine.local.stop()
                self._engine.local.start()

    def _restart_postgresql(self) -> None:
        if self._postgres.local is not None:
            self._postgres.local.stop()
            self._postgres.local.start()

    def _end_sessions(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


def test_after_the_storm_the_index_equals_the_database(
    migrated: str, elastic: Elastic, proxy: Proxy, postgres: Postgres, search_server: Search
) -> None:
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    stop = threading.Event()
    writers = [Writer(migrated, stop, SEED * 100 + number) for number in range(WRITERS)]
    searcher = Searcher(elastic, stop)
    rebuilder = Rebuilder(migrated, elastic, [elastic.url, proxy.url], stop)
    workers = Workers(migrated, elastic, proxy.url)
    troubles = Troubles(migrated, workers, proxy, postgres, search_server, searcher)
    threads = (*writers, searcher, rebuilder)
    try:
        for thread in threads:
            thread.start()
        troubles.pass_over(SECONDS)
        # nothing goes wrong any more, but everybody writes on
        assert rebuilder.rebuilt.wait(120)
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)
        workers.kill()
    assert not any(thread.is_alive() for thread in threads)
    assert troubles.changed_at_once > 0.9 * EVENTS
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
        JOIN (
            SELECT (split_part(lines, E'\n', 1)::json #>> '{index,_id}')::bigint AS event_id, lines
            FROM oeventdb_internal.search_bulk() AS lines
        ) AS b USING (event_id)
        FULL JOIN indexed AS i USING (event_id)
        WHERE (d.search_version, d.document::text, split_part(b.lines, E'\n', 2))
            IS DISTINCT FROM (i.search_version, i.source::jsonb::text, i.source)
        ORDER BY event_id
        """
    )
    return [event_id for (event_id,) in rows]
