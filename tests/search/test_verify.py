"""verify: every difference is named, mended when asked, and nothing else is touched."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest

from oeventdb import search
from oeventdb.cli import main
from oeventdb.errors import SearchUnavailable
from oeventdb.search.indices import PUBLIC_FILTER
from tests import samples
from tests.cli.running import one_line, run
from tests.search.test_reindex import documents
from tests.search.test_reindex_failures import BUSY

if TYPE_CHECKING:
    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy


def unseen(db: psycopg.Connection[Any], statement: str) -> None:
    """Change events as nothing that captures changes would see it."""
    with db.transaction():
        for how in ("DISABLE", "ENABLE ALWAYS"):
            triggers = (f"{how} TRIGGER search_event_{what}" for what in ("inserted", "updated", "deleted"))
            db.execute(f"ALTER TABLE events {', '.join(triggers)}")
            if how == "DISABLE":
                db.execute(statement)


@pytest.fixture
def drifted(db: psycopg.Connection, migrated: str, elastic: Elastic) -> dict[str, list[int]]:
    """Make an index that differs in every way; return what is wrong."""
    ids = [samples.event(db) for _ in range(8)]
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    unseen(db, f"DELETE FROM events WHERE id = {ids[0]}")
    unseen(db, f"UPDATE events SET state = 'draft' WHERE id = {ids[1]}")
    unseen(
        db,
        "INSERT INTO events (id, name, starts_at, ends_at, timezone, state)"
        " VALUES (5000, 'unseen', now(), now(), 'UTC', 'published')",
    )
    elastic.ask("DELETE", f"/{elastic.alias}/_doc/{ids[2]}")
    elastic.ask("PUT", f"/{elastic.alias}/_doc/{ids[3]}", {"id": ids[3], "name": "tampered with"})
    elastic.ask("PUT", f"/{elastic.alias}/_doc/9000", {"id": 9000, "name": "not ours"})
    db.execute("UPDATE events SET name = 'waits in the outbox' WHERE id = %s", (ids[4],))
    return {
        "missing": [ids[2], 5000],
        "stale": [ids[3], ids[4]],
        "surplus": [ids[0], ids[1], 9000],
    }


def shown(found: search.Verified) -> dict[str, Any]:
    """Return the three lists."""
    return {"missing": found.missing, "stale": found.stale, "surplus": found.surplus}


def test_every_difference_is_named(migrated: str, elastic: Elastic, drifted: dict[str, list[int]]) -> None:
    found = search.verify(migrated, elastic.url, alias=elastic.alias)
    assert shown(found) == drifted
    assert (found.documents, found.repaired, found.left) == (7, 0, 7)
    assert shown(search.verify(migrated, elastic.url, alias=elastic.alias)) == drifted


def test_repair_mends_these_and_nothing_else(
    db: psycopg.Connection, migrated: str, elastic: Elastic, drifted: dict[str, list[int]]
) -> None:
    other = samples.event(db, name="waits for sync")
    search.verify(migrated, elastic.url, alias=elastic.alias)
    db.execute("DELETE FROM oeventdb_internal.search_outbox WHERE event_id = %s", (other,))
    found = search.verify(migrated, elastic.url, alias=elastic.alias, repair=True)
    assert (found.repaired, found.left) == (8, 0)
    assert found.missing == sorted([*drifted["missing"], other])
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    assert elastic.documents() == documents(db)
    again = search.verify(migrated, elastic.url, alias=elastic.alias)
    assert (again.left, shown(again)) == (0, {"missing": [], "stale": [], "surplus": []})


def test_changes_go_on_as_usual_after_a_repair(
    db: psycopg.Connection, migrated: str, elastic: Elastic, drifted: dict[str, list[int]]
) -> None:
    search.verify(migrated, elastic.url, alias=elastic.alias, repair=True)
    samples.event(db, id=drifted["surplus"][0], name="back again")
    db.execute("UPDATE events SET name = 'changed'")
    search.sync(migrated, elastic.url, alias=elastic.alias, once=True)
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    assert elastic.documents() == documents(db)


def test_a_document_that_cannot_be_mended_is_left_and_said(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    properties = {"id": {"type": "long"}, "name": {"type": "long"}, "privacy": {"type": "keyword"}}
    strict = search.Definition({}, {"dynamic": False, "properties": properties})
    search.reindex(migrated, elastic.url, alias=elastic.alias, definition=strict)
    event = samples.event(db, name="poison")
    found = search.verify(migrated, elastic.url, alias=elastic.alias, repair=True)
    assert (found.missing, found.repaired, found.left) == ([event], 0, 1)


def test_a_document_that_a_filter_refuses_is_left_and_the_others_are_mended(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oeventdb.search.outbox._TRIED_FOR", 0.2)
    # not by its name, which is that of the function in oeventdb.search
    monkeypatch.setattr(importlib.import_module("oeventdb.search.verify"), "_CHUNK", 2)
    proxy.verdict = lambda chunk: BUSY % b"403 Forbidden" if b"<script>" in chunk else True
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    bad = samples.event(db, name="<script>")
    good = [samples.event(db) for _ in range(5)]
    found = search.verify(migrated, proxy.url, alias=elastic.alias, repair=True)
    assert (found.missing, found.repaired, found.left) == ([bad, *good], 5, 1)
    assert db.execute("SELECT event_id FROM oeventdb_internal.search_dead_letters").fetchall() == [(bad,)]
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    assert sorted(elastic.documents()) == good


def test_it_mends_by_an_elasticsearch_that_was_too_busy_at_first(
    migrated: str, elastic: Elastic, proxy: Proxy, drifted: dict[str, list[int]]
) -> None:
    proxy.verdict = lambda chunk: BUSY % b"503 Busy" if b"_bulk" in chunk and proxy.cuts < 4 else True
    found = search.verify(migrated, proxy.url, alias=elastic.alias, repair=True)
    assert (shown(found), found.left) == (drifted, 0)


def test_more_than_a_page_of_either_side(db: psycopg.Connection, migrated: str, elastic: Elastic) -> None:
    db.execute(
        "INSERT INTO events (id, name, starts_at, ends_at, timezone, state)"
        " SELECT g, 'x', now(), now(), 'UTC', 'published' FROM generate_series(-5000, 20002) AS g"
    )
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    unseen(db, "DELETE FROM events WHERE id IN (-5000, 4999, 5000, 20002)")
    elastic.ask("POST", f"/{elastic.alias}/_bulk", b'{"delete":{"_id":"7"}}\n{"delete":{"_id":"-1"}}\n')
    # a copy of the last of the first page, which begins the second
    elastic.ask("PUT", f"/{elastic.alias}/_doc/30000", {"id": 5001, "name": "ghost"})
    found = search.verify(migrated, elastic.url, alias=elastic.alias)
    assert shown(found) == {"missing": [-1, 7], "stale": [], "surplus": [-5000, 4999, 5000, 20002, 30000]}
    assert found.documents == 24_999


def test_documents_are_told_by_what_they_are_stored_under(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    for event in (1, 2, 3):
        samples.event(db, id=event)
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    strays: dict[int | str, dict[str, Any]] = {
        8000: {"name": "without the field id"},
        9000: {"id": 2, "name": "copy of another"},
        9001: {"id": 9002, "name": "of another id"},
        "007": {"id": 7, "name": "number written otherwise"},
        "9223372036854775808": {"name": "larger than any event id"},
        "a/b?c": {"id": 9003, "name": "text, with a number in it"},
        "abc": {"name": "text"},
    }
    for document, source in strays.items():
        elastic.ask("PUT", f"/{elastic.alias}/_doc/{quote(str(document), safe='')}", source)
    wrong = {"missing": [], "stale": [], "surplus": list(strays)}
    assert shown(search.verify(migrated, elastic.url, alias=elastic.alias)) == wrong
    found = search.verify(migrated, elastic.url, alias=elastic.alias, repair=True)
    assert (shown(found), found.repaired) == (wrong, len(strays))
    assert search.verify(migrated, elastic.url, alias=elastic.alias).left == 0
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    assert elastic.documents() == documents(db)


@pytest.mark.parametrize("source", [{"name": "ghost"}, {"id": 1, "name": "ghost"}], ids=["no id", "a copy"])
def test_one_stray_is_enough_to_be_seen(
    db: psycopg.Connection, migrated: str, elastic: Elastic, source: dict[str, Any]
) -> None:
    samples.event(db, id=1)
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    elastic.ask("PUT", f"/{elastic.alias}/_doc/9000", source)
    assert search.verify(migrated, elastic.url, alias=elastic.alias).surplus == [9000]


def test_a_document_that_went_under_another_id_is_missing_there_and_surplus_here(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    event = samples.event(db)
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    moved = elastic.ask("GET", f"/{elastic.alias}/_doc/{event}")
    elastic.ask("DELETE", f"/{elastic.alias}/_doc/{event}")
    version = f"version={moved['_version']}&version_type=external"
    elastic.ask("PUT", f"/{elastic.alias}/_doc/9000?{version}", moved["_source"])
    found = search.verify(migrated, elastic.url, alias=elastic.alias, repair=True)
    assert shown(found) == {"missing": [event], "stale": [], "surplus": [9000]}
    assert found.left == 0


def test_a_version_that_leaves_none_for_later_changes_is_not_gone_beyond(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    largest, other = samples.event(db), samples.event(db)
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    path = f"/{elastic.alias}/_doc/{largest}?version={2**63 - 500}&version_type=external"
    elastic.ask("PUT", path, {"id": largest, "name": "tampered with"})
    elastic.ask("DELETE", f"/{elastic.alias}/_doc/{other}")
    found = search.verify(migrated, elastic.url, alias=elastic.alias, repair=True)
    assert shown(found) == {"missing": [other], "stale": [largest], "surplus": []}
    assert found.repaired == 1
    db.execute("UPDATE events SET name = 'changed'")
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert search.verify(migrated, elastic.url, alias=elastic.alias).left == 0


def test_the_least_of_ids_is_compared_as_well(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    least = samples.event(db, id=-(2**63))
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert search.verify(migrated, elastic.url, alias=elastic.alias).left == 0
    elastic.ask("DELETE", f"/{elastic.alias}/_doc/{least}")
    assert search.verify(migrated, elastic.url, alias=elastic.alias, repair=True).missing == [least]
    assert search.verify(migrated, elastic.url, alias=elastic.alias).left == 0


def test_what_the_index_does_not_tell_is_no_difference(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy
) -> None:
    event = samples.event(db)
    index = search.reindex(migrated, elastic.url, alias=elastic.alias).index
    elastic.ask("PUT", f"/{elastic.alias}/_doc/9000", {"id": 9000, "name": "not ours"})
    db.execute("UPDATE events SET name = 'waits in the outbox' WHERE id = %s", (event,))

    def away_for_some_looks(chunk: bytes) -> bool:
        if b"/_mget" in chunk:
            elastic.ask("POST", f"/{index}/_close")
        elif b"/_refresh" in chunk:
            elastic.ask("POST", f"/{index}/_open")
            elastic.ask("GET", f"/_cluster/health/{index}?wait_for_status=yellow&timeout=30s")
        return True

    proxy.verdict = away_for_some_looks
    with pytest.raises(
        SearchUnavailable, match=f"a part of the index did not answer: closed is the index {index}"
    ):
        search.verify(migrated, proxy.url, alias=elastic.alias)


def test_a_point_in_time_that_cannot_be_closed_is_no_failure(
    migrated: str, elastic: Elastic, proxy: Proxy, drifted: dict[str, list[int]]
) -> None:
    proxy.verdict = lambda chunk: BUSY % b"503 Busy" if chunk.startswith(b"DELETE /_pit") else True
    assert shown(search.verify(migrated, proxy.url, alias=elastic.alias)) == drifted
    assert proxy.cuts > 0


def test_it_mends_whatever_the_role_says_of_null_in_arrays(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    event = samples.event(db)
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    elastic.ask("DELETE", f"/{elastic.alias}/_doc/{event}")
    dsn = psycopg.conninfo.make_conninfo(migrated, options="-c array_nulls=off")
    found = search.verify(dsn, elastic.url, alias=elastic.alias, repair=True)
    assert (found.missing, found.left) == ([event], 0)


@pytest.mark.parametrize("shards", ["1", "3"])
def test_documents_with_a_routing_are_found_and_removed(
    db: psycopg.Connection, migrated: str, elastic: Elastic, shards: str
) -> None:
    copied, alone, whole = (samples.event(db) for _ in range(3))
    shipped = search.load()
    own = search.Definition({**shipped.settings, "number_of_shards": shards}, shipped.mappings)
    search.reindex(migrated, elastic.url, alias=elastic.alias, definition=own)
    right = elastic.documents()
    for event in (copied, alone):
        version, document = right[event]
        if event == alone:
            elastic.ask("DELETE", f"/{elastic.alias}/_doc/{event}")
        for number in range(9):
            there = f"/{elastic.alias}/_doc/{event}?routing={number}&version_type=external"
            elastic.call("PUT", f"{there}&version={version + 2}", document)
    elastic.ask("PUT", f"/{elastic.alias}/_doc/abc?routing=a/b%26c", {"name": "text"})
    found = search.verify(migrated, elastic.url, alias=elastic.alias, repair=True)
    assert (found.surplus, found.left) == ([copied, alone, "abc"], 0)
    assert whole not in [*found.missing, *found.stale]
    assert search.verify(migrated, elastic.url, alias=elastic.alias).left == 0
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    assert elastic.count() == 3
    assert elastic.documents() == documents(db)


def test_an_id_that_is_no_integer_in_the_index_is_refused(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    samples.event(db)
    own = search.Definition(
        {}, {"dynamic": False, "properties": {"id": {"type": "keyword"}, "privacy": {"type": "keyword"}}}
    )
    search.reindex(migrated, elastic.url, alias=elastic.alias, definition=own)
    with pytest.raises(SearchUnavailable, match=r"the field id of the index behind .* is no integer"):
        search.verify(migrated, elastic.url, alias=elastic.alias)


def test_without_an_index_it_says_so(migrated: str, elastic: Elastic) -> None:
    with pytest.raises(SearchUnavailable, match="no index behind the alias"):
        search.verify(migrated, elastic.url, alias=elastic.alias)


def test_an_index_of_another_maker_is_refused_with_the_reason(migrated: str, elastic: Elastic) -> None:
    aliases = {elastic.alias: {}, elastic.public: {"filter": PUBLIC_FILTER}}
    elastic.ask("PUT", f"/{elastic.alias}_v1", {"aliases": aliases})
    with pytest.raises(SearchUnavailable, match=r"all shards failed: No mapping found for \[id\]"):
        search.verify(migrated, elastic.url, alias=elastic.alias)


def aliased(elastic: Elastic, index: str, *names: str, **parts: Any) -> None:
    """Put aliases on an index, and take them from all others of the test."""
    actions: list[dict[str, Any]] = []
    for name in names:
        actions += [{"remove": {"index": other, "alias": name}} for other in elastic.behind(name)]
        actions += [{"add": {"index": index, "alias": name, **parts}}]
    elastic.ask("POST", "/_aliases", {"actions": actions})


def test_aliases_that_are_not_as_a_rebuild_leaves_them_are_refused(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    event = samples.event(db, name="secret")
    old = search.reindex(migrated, elastic.url, alias=elastic.alias, keep=3).index
    db.execute("UPDATE events SET privacy = 'private' WHERE id = %s", (event,))
    new = search.reindex(migrated, elastic.url, alias=elastic.alias, keep=3).index
    given = ("--dsn", migrated, "--elasticsearch-url", elastic.url, "--alias", elastic.alias)
    ours, public = elastic.alias, elastic.public

    def refused(why: str) -> None:
        for command in (["verify", "--repair"], ["sync", "--once"]):
            result = run(main, *command, *given)
            assert result.exit_code == 5
            assert why in one_line(result)
        assert run(main, "reindex", "--keep", "9", *given).exit_code == 0
        assert run(main, "verify", *given).exit_code == 0
        aliased(elastic, new, ours)
        aliased(elastic, new, public, filter=PUBLIC_FILTER)
        assert run(main, "verify", *given).exit_code == 0

    aliased(elastic, old, ours)
    refused(f"{ours} shows {old}, but {public} shows {new}")
    elastic.ask("POST", "/_aliases", {"actions": [{"remove": {"index": new, "alias": public}}]})
    refused(f"{ours} shows {new}, but {public} shows no index")
    aliased(elastic, new, public)
    refused("has a filter or routing")
    aliased(elastic, new, ours, filter={"term": {"id": event}})
    refused("has a filter or routing")
    aliased(elastic, new, ours, search_routing="x")
    refused("has a filter or routing")
    both = {"add": {"index": old, "alias": ours, "is_write_index": False}}
    elastic.ask("POST", "/_aliases", {"actions": [both]})
    refused(f"the alias {ours} is on several indices ({old}, {new})")
    aliased(elastic, old, ours)
    aliased(elastic, old, public, filter=PUBLIC_FILTER)
    assert search.verify(migrated, elastic.url, alias=ours).left == 1


def test_an_index_in_the_place_of_the_alias_is_no_alias(migrated: str, elastic: Elastic) -> None:
    elastic.ask("PUT", f"/{elastic.alias}")
    with pytest.raises(SearchUnavailable, match="is an index, not an alias of one"):
        search.verify(migrated, elastic.url, alias=elastic.alias)


def test_the_commands(migrated: str, elastic: Elastic, drifted: dict[str, list[int]]) -> None:
    given = ("--dsn", migrated, "--elasticsearch-url", elastic.url, "--alias", elastic.alias)
    found = run(main, "verify", "--json", *given)
    assert found.exit_code == 3
    assert json.loads(found.stdout) == {"documents": 7, **drifted, "repaired": 0}
    mended = run(main, "verify", "--repair", *given)
    assert mended.exit_code == 0
    assert "surplus" in mended.stdout
    assert mended.stderr == "7 documents compared, 7 differ, 7 repaired\n"
    assert run(main, "verify", *given).stderr == "7 documents compared, 0 differ\n"
    synced = run(main, "sync", "--once", "--json", *given)
    assert synced.exit_code == 0
    assert set(json.loads(synced.stdout)) == {"documents", "dead", "errors", "seconds"}
