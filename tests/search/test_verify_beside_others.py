"""verify beside writers and workers: what is on its way is no difference, and nobody is in the other's way."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import search
from tests import samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy

WRITERS = 4


@pytest.fixture
def short_pauses() -> None:
    """Leave verify its pauses: workers and writers run beside it here."""


@contextmanager
def writing(dsn: str, events: list[int]) -> Iterator[None]:
    """Change the events all the time, and publish and unpublish the first, from several sessions."""
    stop = threading.Event()

    def write(own: list[int]) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not stop.wait(0.02):
                for event in own:
                    state = "draft" if event == events[0] and time.time() % 1 < 0.5 else "published"
                    connection.execute(
                        "UPDATE events SET name = clock_timestamp()::text, state = %s WHERE id = %s",
                        (state, event),
                    )

    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write, events[number::WRITERS]) for number in range(WRITERS)]
        try:
            yield
        finally:
            stop.set()
    for writer in writers:
        writer.result()


@contextmanager
def syncing(dsn: str, elastic: Elastic) -> Iterator[None]:
    """Keep the index up to date meanwhile."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(search.sync, dsn, elastic.url, alias=elastic.alias, stop=stop)
        try:
            yield
        finally:
            stop.set()
    working.result()


def test_what_a_worker_is_bringing_is_no_difference(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    db.execute(
        "INSERT INTO events (id, name, starts_at, ends_at, timezone, state)"
        " SELECT g, 'x', now(), now(), 'UTC', 'published' FROM generate_series(1, 300) AS g"
    )
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    events, lost = list(range(1, 41)), 300
    with syncing(migrated, elastic), writing(migrated, events):
        for _ in range(2):
            db.execute("UPDATE events SET organizer_name = clock_timestamp()::text")
            assert search.verify(migrated, elastic.url, alias=elastic.alias).left == 0
        elastic.ask("DELETE", f"/{elastic.alias}/_doc/{lost}")
        found = search.verify(migrated, elastic.url, alias=elastic.alias, repair=True)
        assert (found.missing, found.stale, found.surplus, found.left) == ([lost], [], [], 0)


def test_what_waits_for_no_worker_is_a_difference_whoever_writes(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    events = [samples.event(db) for _ in range(8)]
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    waiting, *busy = events
    db.execute("UPDATE events SET name = 'waits' WHERE id = %s", (waiting,))
    with writing(migrated, busy):
        assert waiting in search.verify(migrated, elastic.url, alias=elastic.alias).stale


def test_repair_waits_for_no_writer_while_it_holds_what_another_wants(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    first, second = samples.event(db), samples.event(db)
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    for event in (first, second):
        elastic.ask("DELETE", f"/{elastic.alias}/_doc/{event}")
    rename = "UPDATE events SET name = 'changed' WHERE id = %s"
    waiting = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock')"
    )
    with psycopg.connect(migrated) as writer, ThreadPoolExecutor(1) as pool:
        writer.execute(rename, (second,))
        mending = pool.submit(search.verify, migrated, elastic.url, alias=elastic.alias, repair=True)
        while elastic.call("GET", f"/{elastic.alias}/_doc/{first}")[0] != 200:
            if mending.done() or db.execute(waiting).fetchone() == (True,):
                break
            time.sleep(0.01)
        writer.execute(rename, (first,))
        writer.commit()
        found = mending.result()
    assert (found.missing, found.left) == ([first, second], 0)


def test_a_repair_ends_beside_one_who_is_changing_what_waits(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy
) -> None:
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    event = samples.event(db)
    requests = itertools.count(1)
    with psycopg.connect(migrated) as other:
        other.execute("UPDATE events SET name = 'not yet' WHERE id = %s", (event,))

        def give_up(chunk: bytes) -> bool:
            if b"_bulk" in chunk and next(requests) == 20:
                other.rollback()
            return True

        proxy.verdict = give_up
        done = search.verify(migrated, proxy.url, alias=elastic.alias, repair=True)
        assert (done.missing, done.repaired) == ([event], 1)
        assert next(requests) < 20
        other.rollback()
