"""What Elasticsearch will not take: a document that is to blame is set aside, and no other."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from oeventdb import search
from oeventdb.errors import SearchUnavailable
from oeventdb.search import outbox
from oeventdb.search.cluster import Cluster
from tests import samples
from tests.search.test_reindex import documents
from tests.search.test_sync import lag, once

if TYPE_CHECKING:
    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy


@pytest.fixture
def live(migrated: str, elastic: Elastic) -> str:
    """Return the name of an empty live index."""
    return search.reindex(migrated, elastic.url, alias=elastic.alias).index


def refusal(status: int, said: bytes = b'{"error":"blocked"}', kind: bytes = b"application/json") -> bytes:
    """Return what a firewall answers."""
    return b"HTTP/1.1 %d No\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        kind,
        len(said),
        said,
    )


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("status", [400, 403, 429, 500])
def test_a_document_for_which_a_whole_request_is_refused_is_set_aside_in_the_end(
    db: psycopg.Connection,
    migrated: str,
    elastic: Elastic,
    proxy: Proxy,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    proxy.verdict = lambda chunk: refusal(status) if b"<script>" in chunk else True
    good = [samples.event(db) for _ in range(5)]
    bad = samples.event(db, name="<script>")
    good += [samples.event(db) for _ in range(5)]
    with pytest.raises(SearchUnavailable, match=f"put off: event {bad}: .*HTTP {status}: .*blocked"):
        search.sync(migrated, proxy.url, alias=elastic.alias, once=True, patience=0)
    assert lag(db) == (1, 0)
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    assert sorted(elastic.documents()) == good
    monkeypatch.setattr("oeventdb.search.outbox._TRIED_FOR", 0.5)
    with caplog.at_level(logging.WARNING, "oeventdb.search"):
        done = once(migrated, elastic, proxy.url)
    assert (done.documents, done.dead) == (0, 1)
    assert done.errors >= 4
    assert lag(db) == (0, 1)
    assert f"event {bad} version 1 refused" in caplog.text


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize(
    ("said", "kind", "reason"),
    [
        (b"<Error>blocked</Error>", b"application/xml", "<Error>blocked</Error>"),
        (b"<p>ge\xe4chtet</p>", b"text/html; charset=iso-8859-1", r"<p>ge\xe4chtet</p>"),
        (b"blocked", b"application/json", "blocked"),
        (b'{"error":"bl\\u0000ck\\ud800"}', b"application/json", "bl ck?"),
    ],
)
def test_a_refusal_may_be_in_any_form(
    db: psycopg.Connection,
    migrated: str,
    elastic: Elastic,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    said: bytes,
    kind: bytes,
    reason: str,
) -> None:
    monkeypatch.setattr("oeventdb.search.outbox._TRIES", 1)
    monkeypatch.setattr("oeventdb.search.outbox._TRIED_FOR", 0)
    proxy.verdict = lambda chunk: refusal(403, said, kind) if b"<script>" in chunk else True
    samples.event(db)
    samples.event(db, name="<script>")
    done = once(migrated, elastic, proxy.url)
    assert (done.documents, done.dead, lag(db)) == (1, 1, (0, 1))
    row = db.execute("SELECT reason FROM oeventdb_internal.search_dead_letters").fetchone()
    assert row is not None
    assert row[0].endswith(f"HTTP 403: {reason}")


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("said", [b"", b"[]", b"null"])
def test_an_answer_that_says_nothing_is_no_acknowledgement(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy, said: bytes
) -> None:
    answer = refusal(200, said).replace(b"\r\n", b"\r\nX-Elastic-Product: Elasticsearch\r\n", 1)
    proxy.verdict = lambda chunk: answer if b"_bulk" in chunk else True
    samples.event(db)
    with pytest.raises(SearchUnavailable, match="is not Elasticsearch"):
        search.sync(migrated, proxy.url, alias=elastic.alias, once=True, patience=0)
    assert lag(db) == (1, 0)


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("status", [413, 429])
def test_where_every_request_is_refused_no_document_is_to_blame(
    db: psycopg.Connection,
    migrated: str,
    elastic: Elastic,
    proxy: Proxy,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("oeventdb.search.outbox._TRIES", 1)
    monkeypatch.setattr("oeventdb.search.outbox._TRIED_FOR", 0)
    proxy.verdict = lambda chunk: refusal(status) if b"_bulk" in chunk else True
    for _ in range(100):
        samples.event(db)
    with pytest.raises(SearchUnavailable, match=rf"put off: .*HTTP {status}"):
        search.sync(migrated, proxy.url, alias=elastic.alias, once=True, patience=0, workers=1)
    assert lag(db) == (100, 0)
    assert proxy.cuts <= 4


def piped(elastic: Elastic, index: str, *processors: str) -> None:
    """Let documents go through a pipeline, which parses them before the index does."""
    pipeline = {"processors": [{processor: {"field": "user"}} for processor in processors]}
    elastic.ask("PUT", f"/_ingest/pipeline/{elastic.alias}", pipeline)
    elastic.ask("PUT", f"/{index}/_settings", {"index.default_pipeline": elastic.alias})


def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the documents with the name poison be none that a pipeline can read."""

    def fetch(*args: Any) -> list[outbox.Change]:
        changes = real(*args)
        return [change._replace(lines=change.lines.replace(b'"poison"', b"poison")) for change in changes]

    real = outbox.fetch
    monkeypatch.setattr(outbox, "fetch", fetch)


def test_a_document_that_a_pipeline_refuses_is_set_aside_in_the_end(
    db: psycopg.Connection, migrated: str, elastic: Elastic, live: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(elastic, live)
    poisoned(monkeypatch)
    good, bad = samples.event(db), samples.event(db, name="poison")
    with pytest.raises(SearchUnavailable, match=f"put off: event {bad}: .*HTTP 400: .*poison"):
        search.sync(migrated, elastic.url, alias=elastic.alias, once=True, patience=0)
    assert lag(db) == (1, 0)
    monkeypatch.setattr("oeventdb.search.outbox._TRIED_FOR", 0.5)
    done = once(migrated, elastic)
    assert (done.documents, done.dead, lag(db)) == (0, 1, (0, 1))
    assert list(elastic.documents()) == [good]


@pytest.mark.parametrize("fails", ["missing", "set_security_user"])
def test_a_pipeline_that_fails_for_every_document_sets_none_aside(
    db: psycopg.Connection,
    migrated: str,
    elastic: Elastic,
    live: str,
    monkeypatch: pytest.MonkeyPatch,
    fails: str,
) -> None:
    monkeypatch.setattr("oeventdb.search.outbox._TRIES", 1)
    monkeypatch.setattr("oeventdb.search.outbox._TRIED_FOR", 0)
    if fails == "missing":
        elastic.ask("PUT", f"/{live}/_settings", {"index.default_pipeline": elastic.alias})
    else:
        # it fails where Elasticsearch has no security, as in the tests
        piped(elastic, live, fails)
    for _ in range(3):
        samples.event(db)
    with pytest.raises(SearchUnavailable, match="put off: "):
        search.sync(migrated, elastic.url, alias=elastic.alias, once=True, patience=0, workers=1)
    assert lag(db) == (3, 0)
    piped(elastic, live)
    assert once(migrated, elastic).documents == 3
    assert elastic.documents() == documents(db)


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.usefixtures("live")
def test_a_document_that_a_pipeline_drops_is_not_taken_for_indexed(
    db: psycopg.Connection,
    migrated: str,
    elastic: Elastic,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    everything: bool,
) -> None:
    # what Elasticsearch answers then; the one of the tests has no processor that drops
    item = {"_index": elastic.alias, "_id": "1", "_version": 2, "result": "noop", "status": 200}
    said = json.dumps({"errors": False, "ingest_took": 1, "items": [{"index": item}]}).encode()
    answer = refusal(200, said).replace(b"\r\n", b"\r\nX-Elastic-Product: Elasticsearch\r\n", 1)
    event = samples.event(db)
    once(migrated, elastic)
    db.execute("UPDATE public.events SET privacy = 'private', name = 'hidden'")
    dropped = b"_bulk" if everything else b'"hidden"'
    proxy.verdict = lambda chunk: answer if dropped in chunk else True
    with pytest.raises(SearchUnavailable, match=r"put off: .*dropped by a pipeline"):
        search.sync(migrated, proxy.url, alias=elastic.alias, once=True, patience=0, workers=1)
    assert lag(db) == (1, 0)
    monkeypatch.setattr("oeventdb.search.outbox._TRIES", 1)
    monkeypatch.setattr("oeventdb.search.outbox._TRIED_FOR", 0)
    if everything:
        with pytest.raises(SearchUnavailable, match=r"put off: .*dropped by a pipeline"):
            search.sync(migrated, proxy.url, alias=elastic.alias, once=True, patience=0, workers=1)
        assert lag(db) == (1, 0)
    else:
        done = once(migrated, elastic, proxy.url)
        assert (done.documents, done.dead, lag(db)) == (0, 1, (0, 1))
    assert elastic.documents()[event][1]["privacy"] == "public"


@pytest.mark.usefixtures("live")
def test_the_ordinary_document_is_like_the_others_and_leaves_no_trace(
    db: psycopg.Connection, elastic: Elastic
) -> None:
    samples.event(db)
    action, document = outbox._ORDINARY.splitlines()
    row = db.execute("SELECT document FROM oeventdb.search_documents()").fetchone()
    assert row is not None
    assert json.loads(document).keys() == row[0].keys()
    with Cluster(elastic.url) as cluster:
        assert outbox._takes_others(cluster, elastic.alias)
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    assert elastic.count() == 0
    assert elastic.call("GET", f"/{elastic.alias}/_doc/{json.loads(action)['index']['_id']}")[0] == 404
