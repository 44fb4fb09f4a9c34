"""A storm of writes while everything around them fails: at the end the index equals the database."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

import psycopg

from oeventdb import search
from oeventdb.errors import OperationError
from tests import samples
from tests.search.proxy import let_pass
from tests.search.test_reindex import documents

if TYPE_CHECKING:
    from collections.abc import Callable

    from oeventdb.servers.postgres import Postgres
    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy

SECONDS = float(os.environ.get("OEVENTDB_STORM_SECONDS", "10"))
"""How long it storms."""

WRITERS = 8
EVENTS = 2000
SEED = int(os.environ.get("OEVENTDB_STORM_SEED", "7"))

_ROW = "(id, name, starts_at, ends_at, timezone, state, privacy, description)"


class Writer(threading.Thread):
    """Writes whatever a legacy application, a script or a person at psql would write."""

    def __init__(self, dsn: str, stop: threading.Event, seed: int) -> None:
        super().__init__(daemon=True)
        self._dsn = dsn
        self._stop_event = stop
        self._chance = random.Random(seed)
        self.written = 0

    def run(self) -> None:
        """Write until told to stop, through restarts and deadlocks."""
        connection: psycopg.Connection | None = None
        while not self._stop_event.is_set():
            try:
                if connection is None or connection.closed:
                    connection = psycopg.connect(self._dsn)
                self._write(connection)
                connection.commit()
                self.written += 1
            except psycopg.Error:
                if connection is not None and not connection.closed:
                    connection.rollback()
                time.sleep(0.02)
        if connection is not None:
            connection.close()

    def _event(self) -> int:
        return self._chance.randint(1, EVENTS)

    def _write(self, connection: psycopg.Connection) -> None:
        kinds: list[tuple[int, Callable[[psycopg.Connection], None]]] = [
            (20, self._put),
            (20, self._change),
            (10, self._toggle),
            (8, self._remove),
            (4, self._roll_back),
            (3, self._copy),
            (2, self._many),
        ]
        if self._chance.random() < 0.002:
            connection.execute("TRUNCATE events CASCADE")
            return
        weights = [weight for weight, _ in kinds]
        self._chance.choices([kind for _, kind in kinds], weights)[0](connection)

    def _put(self, connection: psycopg.Connection) -> None:
        state = self._chance.choice(["published", "published", "draft"])
        connection.execute(
            f"INSERT INTO events {_ROW} VALUES (%s, %s, now(), now(), 'UTC', %s, 'public', %s)"
            " ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, state = EXCLUDED.state",
            (self._event(), f"put {self._chance.random()}", state, "text " * self._chance.randint(0, 300)),
        )

    def _change(self, connection: psycopg.Connection) -> None:
        connection.execute(
            "UPDATE events SET name = %s WHERE id = ANY (%s)",
            (f"name {self._chance.random()}", [self._event() for _ in range(3)]),
        )

    def _toggle(self, connection: psycopg.Connection) -> None:
        change = self._chance.choice(
            [
                "state = CASE state WHEN 'published' THEN 'draft' ELSE 'published' END",
                "deleted_at = CASE WHEN deleted_at IS NULL THEN now() END",
                "privacy = CASE privacy WHEN 'private' THEN 'public' ELSE 'private' END",
                "is_map_shown = NOT COALESCE(is_map_shown, false)",
            ]
        )
        connection.execute(f"UPDATE events SET {change} WHERE id = %s", (self._event(),))

    def _remove(self, connection: psycopg.Connection) -> None:
        connection.execute("DELETE FROM events WHERE id = %s", (self._event(),))

    def _roll_back(self, connection: psycopg.Connection) -> None:
        self._put(connection)
        self._remove(connection)
        connection.rollback()

    def _copy(self, connection: psycopg.Connection) -> None:
        start = self._event()
        connection.execute("DELETE FROM events WHERE id BETWEEN %s AND %s", (start, start + 9))
        with connection.cursor() as cursor, cursor.copy(f"COPY events {_ROW} FROM STDIN") as copy:
            for event in range(start, start + 10):
                row = (event, "copied", samples.NOW, samples.NOW, "UTC", "published", "public", None)
                copy.write_row(row)

    def _many(self, connection: psycopg.Connection) -> None:
        connection.execute(
            "UPDATE events SET description = %s WHERE id %% 3 = 0", (str(self._chance.random()),)
        )


class Searcher(threading.Thread):
    """Asks the alias all the time; every answer has to be whole."""

    def __init__(self, elastic: Elastic, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._elastic = elastic
        self._stop_event = stop
        self.asked = 0
        self.wrong: list[Any] = []

    def run(self) -> None:
        """Ask until told to stop."""
        parts = urllib.parse.urlsplit(self._elastic.url)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        while not self._stop_event.is_set():
            connection.request("GET", f"/{self._elastic.public}/_search?size=1&q=name:put")
            response = connection.getresponse()
            answer = json.loads(response.read())
            self.asked += 1
            if response.status != 200 or answer["_shards"]["failed"] or answer["timed_out"]:
                self.wrong.append(answer)
            time.sleep(0.002)
        connection.close()


class Workers:
    """Processes of `oeventdb sync` behind the proxy, to be killed and started again."""

    def __init__(self, dsn: str, elastic: Elastic, url: str) -> None:
        self._command = [sys.executable, "-m", "oeventdb", "sync", "--workers", "2", "--dsn", dsn]
        self._environment = {
            **os.environ,
            "OEVENTDB_ALIAS": elastic.alias,
            "OEVENTDB_ELASTICSEARCH_URL": url,
        }
        self._processes = [self._start() for _ in range(2)]

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, env=self._environment, stderr=subprocess.DEVNULL)

    def kill_one(self, chance: random.Random) -> None:
        """Kill one with -9 and start another."""
        place = chance.randrange(len(self._processes))
        self._processes[place].kill()
        self._processes[place].wait()
        self._processes[place] = self._start()

    def kill(self) -> None:
        """Kill all with -9."""
        for process in self._processes:
            process.kill()
            process.wait()


def test_after_the_storm_the_index_equals_the_database(
    migrated: str, elastic: Elastic, proxy: Proxy, postgres: Postgres
) -> None:
    chance = random.Random(SEED)
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    stop = threading.Event()
    writers = [Writer(migrated, stop, SEED * 100 + number) for number in range(WRITERS)]
    searcher = Searcher(elastic, stop)
    workers = Workers(migrated, elastic, proxy.url)
    rebuilt = 0
    try:
        for thread in (*writers, searcher):
            thread.start()
        until = time.monotonic() + SECONDS
        troubles = itertools.cycle(
            ["reindex", "kill", "cut", "hold", "reindex", "restart", "kill", "sessions"]
        )
        while time.monotonic() < until:
            trouble = next(troubles)
            if trouble == "reindex":
                rebuilt += _reindex(migrated, elastic, proxy.url if chance.random() < 0.5 else elastic.url)
            elif trouble == "kill":
                workers.kill_one(chance)
            elif trouble == "cut":
                proxy.verdict = lambda _: None
                time.sleep(0.7)
                proxy.verdict = let_pass
            elif trouble == "hold":
                proxy.flowing.clear()
                time.sleep(0.7)
                proxy.flowing.set()
            elif trouble == "restart" and postgres.local is not None:
                postgres.local.stop()
                postgres.local.start()
            elif trouble == "sessions":
                _end_sessions(migrated)
            time.sleep(chance.random() * 0.3)
    finally:
        stop.set()
        for thread in (*writers, searcher):
            thread.join(60)
        workers.kill()
    assert rebuilt >= 1
    assert sum(writer.written for writer in writers) > 100
    assert searcher.asked > 20
    assert searcher.wrong == []

    search.sync(migrated, elastic.url, alias=elastic.alias, once=True)
    found = search.verify(migrated, elastic.url, alias=elastic.alias)
    assert (found.missing, found.stale, found.surplus) == ([], [], [])
    with psycopg.connect(migrated) as connection:
        assert elastic.documents() == documents(connection)
        lag = connection.execute("SELECT pending, dead FROM oeventdb_internal.search_lag()")
        assert lag.fetchone() == (0, 0)


def _reindex(dsn: str, elastic: Elastic, url: str) -> int:
    """Rebuild; return 1 when it worked. It may meet a trouble of its own, and is then undone."""
    try:
        search.reindex(dsn, url, alias=elastic.alias, keep=0, patience=5, body_bytes=100_000)
    except (OperationError, psycopg.Error):
        return 0
    return 1


def _end_sessions(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
