"""sync: every committed change reaches the index, whatever is killed or away in between."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from oeventdb import search
from oeventdb.errors import Refused, SearchUnavailable
from oeventdb.search.bulk import BRIEF, DETAILED
from oeventdb.search.indices import PUBLIC_FILTER
from tests import samples
from tests.search.test_reindex import OTHERS, documents
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy


@pytest.fixture
def live(migrated: str, elastic: Elastic) -> str:
    """Return the name of an empty live index."""
    return search.reindex(migrated, elastic.url, alias=elastic.alias).index


NUMBERED = search.Definition(
    {}, {"dynamic": False, "properties": {"name": {"type": "long"}, "privacy": {"type": "keyword"}}}
)
"""A mapping that takes no other names than numbers."""

IDLE = f"SELECT count(*) {OTHERS} AND state = 'idle' AND state_change < clock_timestamp() - interval '0.1 s'"


def once(migrated: str, elastic: Elastic, url: str | None = None) -> search.Totals:
    """Drain the outbox and make the result visible."""
    done = search.sync(migrated, url or elastic.url, alias=elastic.alias, once=True, patience=20)
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    return done


def lag(db: psycopg.Connection[Any]) -> tuple[int, int]:
    """Return (pending, dead)."""
    row = db.execute("SELECT pending, dead FROM oeventdb_internal.search_lag()").fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


@pytest.mark.usefixtures("live")
def test_every_kind_of_change_reaches_the_index(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    changed, unpublished, soft, hard = (samples.event(db) for _ in range(4))
    assert once(migrated, elastic).documents == 4
    assert elastic.documents() == documents(db)
    db.execute("UPDATE events SET name = 'new' WHERE id = %s", (changed,))
    db.execute("UPDATE events SET state = 'draft' WHERE id = %s", (unpublished,))
    db.execute("UPDATE events SET deleted_at = now() WHERE id = %s", (soft,))
    db.execute("DELETE FROM events WHERE id = %s", (hard,))
    once(migrated, elastic)
    assert set(elastic.documents()) == {changed}
    db.execute("UPDATE events SET state = 'published' WHERE id = %s", (unpublished,))
    samples.event(db, id=hard, name="back again")
    once(migrated, elastic)
    assert set(elastic.documents()) == {changed, unpublished, hard}
    assert elastic.documents() == documents(db)
    db.execute("TRUNCATE events CASCADE")
    once(migrated, elastic)
    assert elastic.documents() == {}
    assert lag(db) == (0, 0)


@pytest.mark.usefixtures("live")
def test_many_changes_of_an_event_are_sent_once(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    event = samples.event(db)
    for number in range(10):
        db.execute("UPDATE events SET name = %s", (f"name {number}",))
    assert lag(db) == (1, 0)
    assert once(migrated, elastic).documents == 1
    assert elastic.documents()[event][0] == 11


@pytest.mark.usefixtures("live")
def test_what_was_queued_before_the_clock_was_set_back_is_waiting_too(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    samples.event(db)
    db.execute("UPDATE oeventdb_internal.search_outbox SET queued_at = now() + interval '1 hour'")
    assert db.execute("SELECT seconds FROM oeventdb_internal.search_lag()").fetchone() == (0,)
    waits = f"SELECT 1 {OTHERS} AND query LIKE '%search_lag()'"
    with psycopg.connect(migrated) as other, ThreadPoolExecutor(1) as pool:
        assert len(other.execute("SELECT * FROM oeventdb_internal.search_take(10)").fetchall()) == 1
        done = pool.submit(once, migrated, elastic)
        until(lambda: done.done() or db.execute(waits).fetchall())
        other.rollback()
        assert done.result().documents == 1
    assert lag(db) == (0, 0)


@pytest.mark.usefixtures("live")
def test_a_document_the_index_has_already_is_no_failure(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    event = samples.event(db)
    once(migrated, elastic)
    db.execute("INSERT INTO oeventdb_internal.search_outbox (event_id) VALUES (%s)", (event,))
    assert once(migrated, elastic).documents == 1
    assert lag(db) == (0, 0)


def test_a_poison_document_is_set_aside_and_its_next_change_tries_again(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    search.reindex(migrated, elastic.url, alias=elastic.alias, definition=NUMBERED)
    good, bad = samples.event(db, name="1"), samples.event(db, name="poison")
    done = once(migrated, elastic)
    assert (done.documents, done.dead) == (1, 1)
    assert set(elastic.documents()) == {good}
    assert lag(db) == (0, 1)
    letter = db.execute("SELECT event_id, search_version, reason FROM oeventdb_internal.search_dead_letters")
    event, version, reason = letter.fetchone() or (None, None, "")
    assert (event, version) == (bad, 1)
    assert "poison" in reason
    db.execute("UPDATE events SET name = '2' WHERE id = %s", (bad,))
    once(migrated, elastic)
    assert set(elastic.documents()) == {good, bad}
    assert lag(db) == (0, 0)


def test_a_live_index_on_no_node_is_told_by_its_reason(
    db: psycopg.Connection, migrated: str, elastic: Elastic, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"index": {"routing.allocation.require.box": "nowhere"}}
    aliases = {elastic.alias: {}, elastic.public: {"filter": PUBLIC_FILTER}}
    elastic.ask("PUT", f"/{elastic.alias}-1?timeout=1ms", {"settings": settings, "aliases": aliases})
    samples.event(db)
    for query in (BRIEF, DETAILED):
        monkeypatch.setitem(query, "timeout", "100ms")
    with pytest.raises(SearchUnavailable, match=r"put off: .*primary shard is not active"):
        search.sync(migrated, elastic.url, alias=elastic.alias, once=True, patience=0)
    assert lag(db) == (1, 0)


@pytest.mark.parametrize("obstacle", ["closed", "read-only", "without writes"])
def test_an_index_that_takes_nothing_is_not_the_fault_of_the_documents(
    db: psycopg.Connection, migrated: str, elastic: Elastic, obstacle: str
) -> None:
    def put(*, in_the_way: bool) -> None:
        if obstacle == "closed":
            elastic.ask("POST", f"/{index}/{'_close' if in_the_way else '_open'}")
        elif obstacle == "read-only":
            elastic.ask("PUT", f"/{index}/_settings", {"index.blocks.read_only": in_the_way})
        else:
            alias = {"index": index, "alias": elastic.alias, "is_write_index": not in_the_way}
            elastic.ask("POST", "/_aliases", {"actions": [{"add": alias}]})

    event = samples.event(db, name="before")
    index = search.reindex(migrated, elastic.url, alias=elastic.alias).index
    db.execute("UPDATE public.events SET name = 'after' WHERE id = %s", (event,))
    put(in_the_way=True)
    with pytest.raises(SearchUnavailable, match="changes were put off"):
        search.sync(migrated, elastic.url, alias=elastic.alias, once=True, patience=0)
    assert lag(db) == (1, 0)
    put(in_the_way=False)
    elastic.ask("GET", f"/_cluster/health/{index}?wait_for_status=yellow&timeout=30s")
    assert once(migrated, elastic).documents == 1
    assert elastic.documents() == documents(db)


@pytest.mark.usefixtures("live")
def test_a_change_during_its_own_sending_stays_in_the_outbox(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    """Taken, then changed again before the acknowledgement, in both orders of the commits."""
    event = samples.event(db)
    acknowledge = "SELECT oeventdb_internal.search_acknowledge(ARRAY[%s::bigint], ARRAY[1::bigint])"
    with psycopg.connect(migrated) as worker, psycopg.connect(migrated) as writer:
        assert len(worker.execute("SELECT * FROM oeventdb_internal.search_take(10)").fetchall()) == 1
        writer.execute("SET lock_timeout = '1s'")
        writer.execute("UPDATE events SET name = 'not committed yet'")
        assert worker.execute(acknowledge, (event,)).fetchone() == (0,)
        worker.commit()
        writer.commit()
        assert lag(db) == (1, 0)
        worker.execute("SELECT * FROM oeventdb_internal.search_take(10)")
        writer.execute("UPDATE events SET name = 'committed'")
        writer.commit()
        assert worker.execute(acknowledge, (event,)).fetchone() == (0,)
        worker.commit()
        assert lag(db) == (1, 0)
    once(migrated, elastic)
    assert elastic.documents() == documents(db)


@pytest.mark.usefixtures("live")
def test_workers_take_different_changes_and_writers_never_wait_for_them(
    db: psycopg.Connection, migrated: str
) -> None:
    for _ in range(4):
        samples.event(db)
    take = "SELECT event_id FROM oeventdb_internal.search_take(2)"
    with psycopg.connect(migrated) as one, psycopg.connect(migrated) as other:
        first = {row[0] for row in one.execute(take)}
        second = {row[0] for row in other.execute(take)}
        assert (len(first), len(second), first & second) == (2, 2, set())
        db.execute("SET lock_timeout = '1s'")
        db.execute("UPDATE events SET name = 'while taken'")
        one.rollback()
        other.rollback()
    assert lag(db) == (4, 0)


def test_without_an_index_it_says_so(migrated: str, legacy: str, elastic: Elastic) -> None:
    with pytest.raises(SearchUnavailable, match="no index behind the alias"):
        once(migrated, elastic)
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    with pytest.raises(Refused, match="captures no changes"):
        search.sync(legacy, elastic.url, alias=elastic.alias, once=True)


@pytest.mark.usefixtures("live")
def test_dropped_connections_lose_nothing(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy, many: int
) -> None:
    turn = iter(range(1_000_000))
    proxy.verdict = lambda chunk: None if b"/_bulk" in chunk[:200] and next(turn) % 2 == 0 else True
    once(migrated, elastic, proxy.url)
    assert proxy.cuts >= 3
    assert elastic.documents() == documents(db)
    assert len(elastic.documents()) == many
    assert lag(db) == (0, 0)


@contextmanager
def running(migrated: str, elastic: Elastic, url: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run the command as a process of its own."""
    command = [sys.executable, "-m", "oeventdb", "sync", "-v", "--dsn", migrated, "--workers", "2"]
    environment = {
        **os.environ,
        "OEVENTDB_ALIAS": elastic.alias,
        "OEVENTDB_ELASTICSEARCH_URL": url or elastic.url,
    }
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.usefixtures("live")
def test_an_idle_worker_is_woken(
    db: psycopg.Connection, migrated: str, elastic: Elastic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("oeventdb.search.sync"), "_LOOK_AGAIN", 600)
    stop = threading.Event()
    arguments = {"alias": elastic.alias, "workers": 2, "stop": stop}
    worker = threading.Thread(target=search.sync, args=(migrated, elastic.url), kwargs=arguments, daemon=True)
    worker.start()
    try:
        for _ in range(3):
            until(lambda: db.execute(IDLE).fetchone() == (2,))
            samples.event(db)
            until(lambda: lag(db) == (0, 0))
    finally:
        stop.set()
        samples.event(db)
        worker.join(20)
    assert not worker.is_alive()


@pytest.mark.usefixtures("live")
def test_killed_workers_lose_nothing(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy, many: int
) -> None:
    sent = threading.Event()

    def hold(chunk: bytes) -> bool:
        if b"/_bulk" in chunk[:200]:
            sent.set()
            proxy.flowing.clear()
        return True

    proxy.verdict = hold
    with running(migrated, elastic, proxy.url) as process:
        assert sent.wait(30)
        process.kill()
    proxy.flowing.set()
    assert lag(db)[0] == many
    once(migrated, elastic)
    assert elastic.documents() == documents(db)


@pytest.mark.usefixtures("live")
def test_lost_database_sessions_are_renewed(db: psycopg.Connection, migrated: str, elastic: Elastic) -> None:
    with running(migrated, elastic) as process:
        samples.event(db)
        until(lambda: lag(db) == (0, 0))
        assert db.execute(f"SELECT pg_terminate_backend(pid) {OTHERS}").fetchall()
        samples.event(db)
        until(lambda: lag(db) == (0, 0))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    # of the first it may have been cut off before it could say so
    assert "synced documents=1 " in said
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    assert elastic.documents() == documents(db)


@pytest.mark.usefixtures("live")
def test_a_worker_that_stands_still_keeps_its_batch_from_the_others_for_a_while_only(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oeventdb.search.outbox._LONGEST_REQUESTS", "1s")
    event = samples.event(db)
    asked, goes_on = threading.Event(), threading.Event()

    def stand_still(chunk: bytes) -> bool:
        if b"/_bulk" in chunk:
            asked.set()
            goes_on.wait(30)
        return True

    proxy.verdict = stand_still
    take = "SELECT event_id FROM oeventdb_internal.search_take(10)"
    worker = threading.Thread(target=lambda: once(migrated, elastic, proxy.url))
    worker.start()
    try:
        assert asked.wait(30)
        until(lambda: db.execute(take).fetchall() == [(event,)])
    finally:
        goes_on.set()
        worker.join(60)
    assert lag(db) == (0, 0)
    assert elastic.documents() == documents(db)


@pytest.mark.usefixtures("many")
def test_changes_while_an_index_is_built_are_in_it_when_it_goes_live(
    db: psycopg.Connection, migrated: str, elastic: Elastic, live: str
) -> None:
    """Deletions as well, and with workers that have acknowledged them to the old index already."""
    events = [row[0] for row in db.execute("SELECT id FROM events ORDER BY id LIMIT 4")]

    def write(_: str, done: int, *__: object) -> None:
        if done and events:
            changed, deleted, unpublished, soft = events
            events.clear()
            db.execute("UPDATE events SET name = 'changed' WHERE id = %s", (changed,))
            db.execute("DELETE FROM events WHERE id = %s", (deleted,))
            db.execute("UPDATE events SET state = 'draft' WHERE id = %s", (unpublished,))
            db.execute("UPDATE events SET deleted_at = now() WHERE id = %s", (soft,))
            samples.event(db, name="new")
            search.sync(migrated, elastic.url, alias=elastic.alias, once=True)
            samples.event(db, name="new, and not synced")

    done = search.reindex(migrated, elastic.url, alias=elastic.alias, body_bytes=100_000, progress=write)
    assert not events
    assert elastic.behind() == [done.index] != [live]
    assert elastic.documents() == documents(db)
    assert lag(db) == (0, 0)


@pytest.mark.usefixtures("live")
def test_a_batch_under_way_ends_before_the_swap(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    samples.event(db)
    with psycopg.connect(migrated) as worker:
        worker.execute("SELECT * FROM oeventdb_internal.search_take(10)")
        before = elastic.behind()
        thread = threading.Thread(target=lambda: search.reindex(migrated, elastic.url, alias=elastic.alias))
        thread.start()
        until(
            lambda: db.execute(
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            ).fetchall()
        )
        assert elastic.behind() == before
        worker.commit()
        thread.join(30)
        assert elastic.behind() != before
    assert elastic.documents() == documents(db)
