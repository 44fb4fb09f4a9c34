"""reindex when something goes wrong: nothing is swapped, and nothing half-built stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest

from oeventdb import search
from oeventdb.errors import DatabaseUnreachable, Refused, SearchUnavailable, SearchUnreachable
from oeventdb.search.bulk import BulkFailed, _unacknowledged
from oeventdb.search.export import Body
from tests import samples
from tests.search.proxy import let_pass
from tests.search.test_reindex import OTHERS, documents
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy

BUSY = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.fixture
def live(migrated: str, elastic: Elastic) -> str:
    """Return the name of an empty index that is live before the reindex that fails."""
    return search.reindex(migrated, elastic.url, alias=elastic.alias).index


def assert_untouched(elastic: Elastic, live: str) -> None:
    """Nothing was swapped and nothing is left."""
    assert elastic.behind() == elastic.behind(elastic.public) == [live]
    assert sorted(elastic.indices()) == [live]


def test_one_refused_document_stops_it_with_the_reason(
    db: psycopg.Connection, migrated: str, elastic: Elastic, live: str
) -> None:
    samples.event(db, name="1")
    refused = samples.event(db, name="no number")
    strict = search.Definition(
        {}, {"dynamic": False, "properties": {"name": {"type": "long"}, "privacy": {"type": "keyword"}}}
    )
    with pytest.raises(BulkFailed, match=rf"1 of 2 documents were refused: event {refused}: .*no number"):
        search.reindex(migrated, elastic.url, alias=elastic.alias, definition=strict)
    assert_untouched(elastic, live)


def test_a_batch_of_sync_that_does_not_end_stops_it(
    migrated: str, elastic: Elastic, live: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oeventdb.connection._LONGEST_WAIT", "300ms")
    with psycopg.connect(migrated) as worker:
        worker.execute("SELECT * FROM oeventdb_internal.search_take(10)")
        with pytest.raises(SearchUnavailable, match="a worker of sync has kept its batch"):
            search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert_untouched(elastic, live)


def test_a_document_missing_from_the_count_stops_it(
    migrated: str, elastic: Elastic, live: str, many: int
) -> None:
    taken: list[str] = []

    def take_one(_: str, done: int, *__: object) -> None:
        if done and not taken:
            building = next(name for name in elastic.indices() if name != live)
            elastic.ask("POST", f"/{building}/_refresh")
            found = elastic.ask("POST", f"/{building}/_search", {"size": 1})["hits"]["hits"][0]["_id"]
            elastic.ask("DELETE", f"/{building}/_doc/{found}")
            taken.append(found)

    with pytest.raises(SearchUnavailable, match=rf"snapshot has {many} documents and .* has {many - 1};"):
        search.reindex(migrated, elastic.url, alias=elastic.alias, body_bytes=50_000, progress=take_one)
    assert taken
    assert_untouched(elastic, live)


@pytest.mark.usefixtures("many")
def test_an_index_removed_meanwhile_is_not_made_anew(migrated: str, elastic: Elastic, live: str) -> None:
    def remove(*_: object) -> None:
        for name in set(elastic.indices()) - {live}:
            elastic.call("DELETE", f"/{name}")

    with pytest.raises(SearchUnavailable):
        search.reindex(migrated, elastic.url, alias=elastic.alias, body_bytes=50_000, progress=remove)
    assert_untouched(elastic, live)


@pytest.mark.usefixtures("many")
def test_an_exception_in_the_middle_leaves_nothing(migrated: str, elastic: Elastic, live: str) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search.reindex(migrated, elastic.url, alias=elastic.alias, body_bytes=50_000, progress=interrupt)
    assert_untouched(elastic, live)


@pytest.mark.usefixtures("many")
def test_dropped_connections_lose_and_double_nothing(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy
) -> None:
    chunk = iter(range(1_000_000))
    proxy.verdict = lambda _: None if next(chunk) % 10 == 9 else True
    search.reindex(migrated, proxy.url, alias=elastic.alias, body_bytes=100_000, patience=30)
    assert proxy.cuts > 3
    assert elastic.documents() == documents(db)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("status", [b"429 Too Many Requests", b"503 Service Unavailable"])
def test_a_busy_elasticsearch_is_asked_again(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy, status: bytes
) -> None:
    turn = iter(range(1_000_000))

    def every_other(chunk: bytes) -> bytes | bool:
        busy = b"/_bulk" in chunk[:200] and next(turn) % 2 == 0
        return BUSY % status if busy else True

    proxy.verdict = every_other
    search.reindex(migrated, proxy.url, alias=elastic.alias, body_bytes=200_000, patience=30)
    assert proxy.cuts > 10
    assert elastic.documents() == documents(db)


def test_patience_ends(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy, live: str
) -> None:
    samples.event(db)
    proxy.verdict = lambda chunk: None if b"/_bulk" in chunk[:200] else True
    with pytest.raises(SearchUnreachable, match=r"no answer from .* for 1 s"):
        search.reindex(migrated, proxy.url, alias=elastic.alias, patience=1)
    assert_untouched(elastic, live)


def test_without_patience_a_new_index_has_its_time(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    samples.event(db)
    assert search.reindex(migrated, elastic.url, alias=elastic.alias, patience=0).documents == 1


def test_an_index_that_no_node_takes_is_told_and_removed(
    migrated: str, elastic: Elastic, live: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oeventdb.search.indices._PLACING", "1s")
    astray = search.Definition({"routing.allocation.require.box": "nowhere"}, {})
    with pytest.raises(SearchUnreachable, match=r"no node of .* takes a new index"):
        search.reindex(migrated, elastic.url, alias=elastic.alias, definition=astray)
    assert_untouched(elastic, live)


@pytest.mark.usefixtures("migrated", "live")
def test_a_lost_answer_to_the_swap_is_no_failure(db: psycopg.Connection, elastic: Elastic) -> None:
    samples.event(db)
    from oeventdb.search.cluster import Cluster
    from oeventdb.search.indices import Indices

    with Cluster(elastic.url) as cluster:
        indices = Indices(cluster, elastic.alias)
        index = indices.create(search.load())
        stale = indices._swap_actions(index)
        indices.swap(index)
        indices.swap(index)
        status, _ = elastic.call("POST", "/_aliases", {"actions": stale})
        assert status == 404
    assert elastic.behind() == [index]


@pytest.mark.usefixtures("many")
def test_a_second_reindex_of_the_same_alias_is_refused(migrated: str, elastic: Elastic) -> None:
    refused: list[Exception] = []

    def begin_another(*_: object) -> None:
        if not refused:
            with pytest.raises(Refused, match="another reindex") as caught:
                search.reindex(migrated, elastic.url, alias=elastic.alias)
            refused.append(caught.value)

    done = search.reindex(migrated, elastic.url, alias=elastic.alias, progress=begin_another)
    assert refused
    assert elastic.behind() == [done.index]


@pytest.fixture
def held(migrated: str, elastic: Elastic, proxy: Proxy) -> Iterator[subprocess.Popen[str]]:
    """Start the command and yield it in the middle of its build, held there."""
    begun = threading.Event()

    def hold(chunk: bytes) -> bool:
        if b"/_bulk" in chunk[:200]:
            begun.set()
            proxy.flowing.clear()
        return True

    proxy.verdict = hold
    with _command(migrated, elastic, proxy) as process:
        assert begun.wait(30)
        yield process
        process.kill()


def _command(dsn: str, elastic: Elastic, proxy: Proxy) -> subprocess.Popen[str]:
    """Start `oeventdb reindex` behind the proxy."""
    command = [sys.executable, "-m", "oeventdb", "reindex", "--dsn", dsn]
    environment = {**os.environ, "OEVENTDB_ALIAS": elastic.alias, "OEVENTDB_ELASTICSEARCH_URL": proxy.url}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.usefixtures("many")
def test_killed_in_the_middle_it_swaps_nothing_and_the_next_clears_up(
    db: psycopg.Connection, migrated: str, elastic: Elastic, live: str, held: subprocess.Popen[str]
) -> None:
    held.send_signal(signal.SIGKILL)
    held.wait()
    assert elastic.behind() == [live]
    left = set(elastic.indices()) - {live}
    assert len(left) == 1
    until(lambda: not _others(db))
    done = search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert sorted(elastic.indices()) == [live, done.index]
    assert elastic.documents() == documents(db)


def test_killed_while_its_swap_is_under_way_it_lets_sync_wait(
    db: psycopg.Connection, migrated: str, elastic: Elastic, live: str, proxy: Proxy
) -> None:
    changed = samples.event(db, name="Old name")
    search.sync(migrated, elastic.url, alias=elastic.alias, once=True)
    under_way, let_go = threading.Event(), threading.Event()

    def hold(chunk: bytes) -> bool:
        if b'"actions"' in chunk:
            under_way.set()
            assert let_go.wait(30)
        return True

    proxy.verdict = hold
    with _command(migrated, elastic, proxy) as process:
        assert under_way.wait(30)
        process.kill()
    db.execute("UPDATE events SET name = 'New name' WHERE id = %s", (changed,))
    arguments = {"alias": elastic.alias, "once": True}
    syncing = threading.Thread(
        target=search.sync, args=(migrated, elastic.url), kwargs=arguments, daemon=True
    )
    syncing.start()
    until(lambda: not syncing.is_alive() or _others(db, "wait_event = 'advisory'"))
    let_go.set()
    until(lambda: elastic.behind() not in ([live], []))
    # it would last until nothing can be under way any more
    assert db.execute(f"SELECT pg_terminate_backend(pid) {OTHERS} AND wait_event = 'PgSleep'").fetchall()
    syncing.join(30)
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    assert elastic.documents() == documents(db)


@pytest.mark.usefixtures("many")
def test_terminated_in_the_middle_it_clears_up_itself(
    elastic: Elastic, live: str, proxy: Proxy, held: subprocess.Popen[str]
) -> None:
    proxy.verdict = let_pass
    held.send_signal(signal.SIGTERM)
    proxy.flowing.set()
    _, said = held.communicate(timeout=30)
    assert held.returncode == 143, said
    assert said.strip() == "terminated"
    assert_untouched(elastic, live)


@pytest.mark.usefixtures("many")
def test_a_lost_postgresql_leaves_nothing(
    db: psycopg.Connection, elastic: Elastic, live: str, proxy: Proxy, held: subprocess.Popen[str]
) -> None:
    assert _others(db)
    db.execute(f"SELECT pg_terminate_backend(pid) {OTHERS}")
    proxy.verdict = let_pass
    proxy.flowing.set()
    _, said = held.communicate(timeout=30)
    assert held.returncode == 4, said
    assert len(said.splitlines()) == 1
    assert_untouched(elastic, live)


def _others(db: psycopg.Connection[Any], condition: LiteralString = "true") -> bool:
    return bool(db.execute(f"SELECT pid {OTHERS} AND {condition}").fetchall())


def test_put_off_items_are_sent_again_and_only_these() -> None:
    lines = b"".join(b'{"index":{"_id":"%d"}}\n{"n":%d}\n' % (n, n) for n in range(4))
    answer = {
        "errors": True,
        "items": [
            {"index": {"status": 201}},
            {"index": {"status": 429, "error": {"reason": "queue is full"}}},
            {"index": {"status": 409, "error": {"reason": "version conflict"}}},
            {"index": {"status": 503, "error": {"reason": "no shard"}}},
        ],
    }
    left, why = _unacknowledged(Body(lines, 4), answer)
    assert why == "2 documents were put off: queue is full"
    assert left == Body(b'{"index":{"_id":"1"}}\n{"n":1}\n{"index":{"_id":"3"}}\n{"n":3}\n', 2)


def test_fewer_answers_than_documents_are_no_acknowledgement() -> None:
    with pytest.raises(BulkFailed, match="1 of 2"):
        _unacknowledged(Body(b"", 2), {"errors": True, "items": [{"index": {"status": 201}}]})


def test_an_unreachable_elasticsearch_is_told_at_once(migrated: str) -> None:
    started = time.monotonic()
    with pytest.raises(SearchUnavailable, match=r"no answer from http://127.0.0.1:1: "):
        search.reindex(migrated, "http://someone:geheim@127.0.0.1:1")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "url", ["localhost:9200", "ftp://localhost:21", "http://", "http://a:b:c", "", "http://a..b:9200"]
)
def test_what_is_no_url_is_refused_without_repeating_it(migrated: str, url: str) -> None:
    with pytest.raises(SearchUnavailable, match="Elasticsearch URL"):
        search.reindex(migrated, url)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_something_else_at_the_url_is_told(migrated: str, proxy: Proxy, answer: bytes) -> None:
    proxy.verdict = lambda _: answer
    with pytest.raises(SearchUnavailable) as caught:
        search.reindex(migrated, proxy.url)
    assert "\n" not in str(caught.value)


def test_refused_credentials_are_told_and_never_shown(migrated: str, proxy: Proxy) -> None:
    proxy.verdict = lambda _: BUSY % b"401 Unauthorized"
    with pytest.raises(SearchUnavailable, match="refuses these credentials") as caught:
        search.reindex(migrated, proxy.url.replace("http://", "http://someone:geheim@"), api_key="sesam")
    assert "geheim" not in str(caught.value)
    assert "sesam" not in str(caught.value)


def test_what_the_credentials_do_not_allow_is_told(migrated: str, proxy: Proxy) -> None:
    reason = b"action [indices:admin/get] is unauthorized for user [someone]"
    body = b'{"error":{"type":"security_exception","reason":"%s"},"status":403}' % reason
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    proxy.verdict = lambda _: head % len(body) + body
    with pytest.raises(SearchUnavailable, match=r"\(HTTP 403\): action .* unauthorized for user \[someone\]"):
        search.reindex(migrated, proxy.url)


def test_a_live_index_that_takes_no_writes_is_told_from_refused_credentials(
    migrated: str, elastic: Elastic, live: str
) -> None:
    elastic.ask("PUT", f"/{live}/_settings", {"index.blocks.read_only": True})
    try:
        with pytest.raises(SearchUnavailable, match=r"answers HTTP 403: index .* blocked by") as caught:
            search.reindex(migrated, elastic.url, alias=elastic.alias)
        assert caught.value.hint == "lift the block and run the command again"
        assert sorted(elastic.indices()) == [live]
    finally:
        elastic.ask("PUT", f"/{live}/_settings", {"index.blocks.read_only": False})


def test_an_unreachable_database_leaves_elasticsearch_alone(elastic: Elastic) -> None:
    with pytest.raises(DatabaseUnreachable):
        search.reindex("postgresql://localhost:1/none", elastic.url, alias=elastic.alias)
    assert elastic.indices() == {}


def test_a_file_that_cannot_be_written_is_left_as_it_was(
    db: psycopg.Connection, migrated: str, tmp_path: Path
) -> None:
    samples.event(db)
    with pytest.raises(OSError, match="nowhere"):
        search.export_to_file(migrated, str(tmp_path / "nowhere" / "events.ndjson"))
    kept = tmp_path / "events.ndjson"
    kept.write_text("before")
    with pytest.raises(DatabaseUnreachable):
        search.export_to_file("postgresql://localhost:1/none", str(kept))
    assert kept.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["events.ndjson"]
