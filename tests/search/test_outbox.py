"""The outbox: it is for one alias, and no document in it holds up the others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import schema, search
from oeventdb.errors import SearchUnavailable
from oeventdb.search import outbox
from oeventdb.search.cluster import Cluster
from tests import samples
from tests.search.proxy import Proxy
from tests.search.test_reindex import documents
from tests.search.test_sync import lag, once

if TYPE_CHECKING:
    from tests.search.elastic import Elastic


@pytest.fixture
def live(migrated: str, elastic: Elastic) -> str:
    """Return the name of an empty live index."""
    return search.reindex(migrated, elastic.url, alias=elastic.alias).index


@pytest.mark.usefixtures("live")
def test_a_rebuild_for_another_alias_takes_nothing_from_the_one_that_is_served(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    samples.event(db)
    search.reindex(migrated, elastic.url, alias=f"{elastic.alias}-trial")
    assert lag(db) == (1, 0)
    assert once(migrated, elastic).documents == 1
    assert elastic.documents() == documents(db)


@pytest.mark.usefixtures("live")
def test_who_syncs_has_the_outbox_from_then_on(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    trial = f"{elastic.alias}-trial"
    search.reindex(migrated, elastic.url, alias=trial)
    search.sync(migrated, elastic.url, alias=trial, once=True)
    samples.event(db)
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert lag(db) == (1, 0)
    search.reindex(migrated, elastic.url, alias=trial)
    assert lag(db) == (0, 0)


@pytest.mark.usefixtures("live")
def test_a_repair_of_another_alias_takes_nothing_from_the_one_that_is_served(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    trial = f"{elastic.alias}-trial"
    search.reindex(migrated, elastic.url, alias=trial)
    samples.event(db)
    with pytest.raises(SearchUnavailable, match=f"another alias than {trial}"):
        search.verify(migrated, elastic.url, alias=trial, repair=True)
    assert lag(db) == (1, 0)
    assert once(migrated, elastic).documents == 1
    assert elastic.documents() == documents(db)


@pytest.mark.parametrize("in_its_place", ["nothing", "an index"])
def test_a_deletion_waits_for_the_alias_and_makes_no_index(
    db: psycopg.Connection, migrated: str, elastic: Elastic, live: str, in_its_place: str
) -> None:
    event = samples.event(db)
    once(migrated, elastic)
    aliases = elastic.indices()[live]["aliases"]
    elastic.ask("DELETE", f"/{live}/_alias/{elastic.alias}")
    if in_its_place == "an index":
        elastic.ask("PUT", f"/{elastic.alias}")
    db.execute("DELETE FROM events WHERE id = %s", (event,))
    # an index in its place remembers the deletion, and answers the second time that it has that version
    for _ in range(2):
        with Cluster(elastic.url) as cluster:
            outcome = outbox.step(db, cluster, elastic.alias)
        assert (outcome.accepted, lag(db)) == ([], (1, 0))
        assert elastic.alias in outcome.put_off
    if in_its_place == "an index":
        elastic.ask("DELETE", f"/{elastic.alias}")
    elastic.ask("PUT", f"/{live}/_alias/{elastic.alias}", aliases[elastic.alias])
    assert once(migrated, elastic).documents == 1
    assert elastic.documents() == {}


def test_what_was_set_aside_is_not_any_more_once_a_rebuild_has_it(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    strict = search.Definition(
        {}, {"dynamic": False, "properties": {"name": {"type": "long"}, "privacy": {"type": "keyword"}}}
    )
    search.reindex(migrated, elastic.url, alias=elastic.alias, definition=strict)
    samples.event(db, name="poison")
    once(migrated, elastic)
    assert lag(db) == (0, 1)
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert lag(db) == (0, 0)


def test_what_was_set_aside_can_be_queued_again(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    narrow = search.Definition(
        {"mapping.total_fields.limit": 1}, {"properties": {"privacy": {"type": "keyword"}}}
    )
    index = search.reindex(migrated, elastic.url, alias=elastic.alias, definition=narrow).index
    samples.event(db)
    once(migrated, elastic)
    assert lag(db) == (0, 1)
    elastic.ask("PUT", f"/{index}/_settings", {"index.mapping.total_fields.limit": 1000})
    db.execute(
        "INSERT INTO oeventdb_internal.search_outbox (event_id)"
        " SELECT event_id FROM oeventdb_internal.search_dead_letters ON CONFLICT DO NOTHING"
    )
    once(migrated, elastic)
    assert lag(db) == (0, 0)
    assert elastic.documents() == documents(db)


@pytest.mark.usefixtures("many", "live")
def test_what_is_queued_by_hand_needs_no_version(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    """Nor does it keep what comes after it: more than a batch."""
    db.execute("TRUNCATE oeventdb_internal.search_versions")
    db.execute(
        "INSERT INTO oeventdb_internal.search_outbox (event_id) SELECT id FROM events UNION VALUES (0)"
    )
    samples.event(db)
    done = once(migrated, elastic)
    assert (done.documents, lag(db)) == (3002, (0, 0))
    assert elastic.documents() == documents(db)


@pytest.mark.usefixtures("live")
def test_a_change_of_what_was_queued_by_hand_stays_in_the_outbox(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    changed, other = samples.event(db), samples.event(db)
    db.execute("TRUNCATE oeventdb_internal.search_versions")
    acknowledge = "SELECT oeventdb_internal.search_acknowledge(%s::bigint[], ARRAY[1, 1]::bigint[])"
    with psycopg.connect(migrated) as worker, psycopg.connect(migrated) as writer:
        worker.execute("SET lock_timeout = '1s'")
        assert len(worker.execute("SELECT * FROM oeventdb_internal.search_take(10)").fetchall()) == 2
        writer.execute("UPDATE events SET name = 'not committed yet' WHERE id = %s", (changed,))
        assert worker.execute(acknowledge, ([changed, other],)).fetchone() == (1,)
        worker.commit()
        writer.commit()
        db.execute("INSERT INTO oeventdb_internal.search_outbox (event_id) VALUES (0)")
        taken = worker.execute("SELECT event_id, search_version FROM oeventdb_internal.search_take(10)")
        versions: dict[int, int] = dict(taken.fetchall())
        samples.event(db, id=0, name="new")
        worker.execute(
            "SELECT oeventdb_internal.search_acknowledge(ARRAY[0::bigint], ARRAY[%s::bigint])", (versions[0],)
        )
        worker.commit()
    assert lag(db) == (2, 0)
    once(migrated, elastic)
    assert {document["name"] for _, document in elastic.documents().values()} >= {"not committed yet", "new"}


@pytest.mark.usefixtures("live")
def test_what_gets_no_answer_does_not_take_back_what_got_one(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oeventdb.search.outbox.BODY_BYTES", 1000)
    proxy.verdict = lambda chunk: None if b"poison" in chunk else True
    events = [samples.event(db, name="poison" if number == 20 else "good") for number in range(60)]
    with pytest.raises(SearchUnavailable, match="no answer"):
        search.sync(migrated, proxy.url, alias=elastic.alias, once=True, patience=0, workers=1)
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    assert {events[0], events[-1]} <= set(elastic.documents())
    assert len(elastic.documents()) + lag(db)[0] == 60


@pytest.mark.usefixtures("live")
def test_a_document_that_postgresql_cannot_write_is_set_aside(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    good = samples.event(db)
    bad = samples.event(db)
    db.execute("UPDATE public.events SET description = repeat(E'\\x01', 190000000) WHERE id = %s", (bad,))
    done = once(migrated, elastic)
    assert (done.documents, done.dead) == (1, 1)
    assert list(elastic.documents()) == [good]
    db.execute("UPDATE public.events SET state = 'draft' WHERE id = %s", (bad,))
    assert once(migrated, elastic).documents == 1
    assert lag(db) == (0, 0)


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("statement", ["insert", "update"])
def test_to_sync_once_ends_beside_writers(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy, statement: str
) -> None:
    """A writer as quick as the requests."""
    event = samples.event(db)
    requests = iter(range(100))

    def write(chunk: bytes) -> bool:
        if b"_bulk" in chunk and next(requests, None) is not None:
            if statement == "insert":
                samples.event(db)
            else:
                db.execute("UPDATE events SET name = name || 'x' WHERE id = %s", (event,))
        return True

    proxy.verdict = write
    once(migrated, elastic, proxy.url)
    assert 0 < next(requests) < 10
    assert event in elastic.documents()
    assert lag(db)[0] > 0


def test_writers_wait_only_shortly_for_a_worker_that_stands_still_before_its_commit(
    listening: tuple[str, int], elastic: Elastic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oeventdb.search.outbox._LONGEST_RECORDING", "1s")
    dsn = "host={} port={} user=postgres dbname=postgres"
    direct = dsn.format(*listening)
    schema.migrate(direct)
    search.reindex(direct, elastic.url, alias=elastic.alias)
    stands = threading.Event()

    def stand_still(chunk: bytes) -> bool:
        if b"search_acknowledge" in chunk and not stands.is_set():
            proxy.flowing.clear()
            stands.set()
        return True

    with Proxy(*listening, stand_still) as proxy, psycopg.connect(direct, autocommit=True) as db:
        event = samples.event(db)
        through = dsn.format("127.0.0.1", proxy.url.rpartition(":")[2])
        worker = threading.Thread(target=lambda: once(through, elastic))
        worker.start()
        try:
            assert stands.wait(30)
            db.execute("SET lock_timeout = '20s'")
            db.execute("UPDATE events SET name = 'goes on' WHERE id = %s", (event,))
        finally:
            proxy.flowing.set()
            worker.join(60)
        assert elastic.documents() == documents(db)


def test_a_rebuild_that_cannot_clear_the_outbox_is_done_and_says_so_in_a_line(
    db: psycopg.Connection,
    migrated: str,
    elastic: Elastic,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("oeventdb.connection._LONGEST_WAIT", "300ms")
    samples.event(db)
    with psycopg.connect(migrated) as other:
        other.execute("SELECT FROM oeventdb_internal.search_outbox FOR UPDATE")
        done = search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert elastic.behind() == [done.index]
    assert lag(db) == (1, 0)
    [told] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told.startswith(
        "the outbox keeps what is indexed already: canceling statement due to lock timeout"
    )
    assert "\n" not in told
