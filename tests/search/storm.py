"""Who takes part in the storm: writers, a searcher, workers, and one who rebuilds all the time."""

from __future__ import annotations

import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.parse
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg

from oeventdb import search
from oeventdb.errors import OperationError
from tests import samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.search.elastic import Elastic

SECONDS = float(os.environ.get("OEVENTDB_STORM_SECONDS", "2"))
"""How long it storms at least."""

LONG = SECONDS >= 30

PATIENCE = 60 if LONG else 10
"""Seconds a rebuild bears with troubles."""

EVENTS = 50_000 if LONG else 2000

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
                    # as an application would: it gives up where a bulk UPDATE holds what it wants
                    connection = psycopg.connect(self._dsn, options="-c lock_timeout=500ms")
                self._write(connection)
                connection.commit()
                self.written += 1
            except psycopg.Error:
                if connection is not None and not connection.closed:
                    # the server may go away just now; then the connection is closed
                    with suppress(psycopg.Error):
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


def change_all(dsn: str) -> int:
    """Change every event in one UPDATE, after missing ones were put back; return how many.

    Of two that wait for each other PostgreSQL ends one: then it is tried again.
    """
    for _ in range(10):
        with suppress(psycopg.errors.DeadlockDetected), psycopg.connect(dsn) as connection:
            connection.execute(
                f"INSERT INTO events {_ROW} SELECT g, 'filled in', now(), now(), 'UTC', 'published', 'public', ''"
                f" FROM generate_series(1, {EVENTS}) AS g ON CONFLICT DO NOTHING"
            )
            update = "UPDATE events SET description = %s"
            return connection.execute(update, (f"all {random.random()}",)).rowcount
    return 0


class Searcher(threading.Thread):
    """Asks the alias all the time; every answer has to be whole."""

    def __init__(self, elastic: Elastic, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        parts = urllib.parse.urlsplit(elastic.url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self._path = f"/{elastic.public}/_search?size=1&q=name:put"
        self._stop_event = stop
        self._asking = threading.Lock()
        self.asked = 0
        self.wrong: list[Any] = []

    def run(self) -> None:
        """Ask until told to stop."""
        while not self._stop_event.is_set():
            with self._asking:
                self._connection.request("GET", self._path)
                response = self._connection.getresponse()
                answer = json.loads(response.read())
            self.asked += 1
            if response.status != 200 or answer["_shards"]["failed"] or answer["timed_out"]:
                self.wrong.append(answer)
            time.sleep(0.002)
        self._connection.close()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Have it ask nothing during the block, because there is nobody to answer."""
        with self._asking:
            self._connection.close()
            yield


class Rebuilder(threading.Thread):
    """Rebuilds the index again and again; an attempt may meet a trouble, and is then undone."""

    def __init__(self, dsn: str, elastic: Elastic, urls: list[str], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._dsn = dsn
        self._alias = elastic.alias
        self._urls = urls
        self._stop_event = stop
        self.rebuilt = threading.Event()

    def run(self) -> None:
        """Rebuild until told to stop, by each of the URLs in turn."""
        turn = 0
        while not self._stop_event.wait(0.2):
            url = self._urls[turn % len(self._urls)]
            turn += 1
            with suppress(OperationError, psycopg.Error):
                search.reindex(
                    self._dsn, url, alias=self._alias, keep=0, patience=PATIENCE, body_bytes=100_000
                )
                self.rebuilt.set()


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
