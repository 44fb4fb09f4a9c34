"""verify: every difference is named, mended when asked, and nothing else is touched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from oeventdb import search
from oeventdb.cli import main
from oeventdb.errors import SearchUnavailable
from tests import samples
from tests.cli.running import run
from tests.search.test_reindex import documents

if TYPE_CHECKING:
    from tests.search.elastic import Elastic


def unseen(db: psycopg.Connection[Any], statement: str) -> None:
    """Change events as nothing that captures changes would see it."""
    with db.transaction():
        db.execute("SET LOCAL session_replication_role = replica")
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


def shown(found: search.Verified) -> dict[str, list[int]]:
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
    properties = {"id": {"type": "long"}, "name": {"type": "long"}}
    strict = search.Definition({}, {"dynamic": False, "properties": properties})
    search.reindex(migrated, elastic.url, alias=elastic.alias, definition=strict)
    event = samples.event(db, name="poison")
    found = search.verify(migrated, elastic.url, alias=elastic.alias, repair=True)
    assert (found.missing, found.repaired, found.left) == ([event], 0, 1)


def test_more_than_a_page_of_either_side(db: psycopg.Connection, migrated: str, elastic: Elastic) -> None:
    db.execute(
        "INSERT INTO events (id, name, starts_at, ends_at, timezone, state)"
        " SELECT g, 'x', now(), now(), 'UTC', 'published' FROM generate_series(-5000, 20002) AS g"
    )
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    unseen(db, "DELETE FROM events WHERE id IN (-5000, 4999, 5000, 20002)")
    elastic.ask("POST", f"/{elastic.alias}/_bulk", b'{"delete":{"_id":"7"}}\n{"delete":{"_id":"-1"}}\n')
    found = search.verify(migrated, elastic.url, alias=elastic.alias)
    assert shown(found) == {"missing": [-1, 7], "stale": [], "surplus": [-5000, 4999, 5000, 20002]}
    assert found.documents == 24_999


def test_without_an_index_it_says_so(migrated: str, elastic: Elastic) -> None:
    with pytest.raises(SearchUnavailable, match="no index behind the alias"):
        search.verify(migrated, elastic.url, alias=elastic.alias)


def test_an_index_of_another_maker_is_refused_with_the_reason(migrated: str, elastic: Elastic) -> None:
    elastic.ask("PUT", f"/{elastic.alias}_v1", {"aliases": {elastic.alias: {}}})
    with pytest.raises(SearchUnavailable, match=r"all shards failed: No mapping found for \[id\]"):
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
