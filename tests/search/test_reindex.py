"""reindex: the new index is whole and right before it is seen, and takes the old one's place."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from oeventdb import search
from oeventdb.cli import main
from oeventdb.errors import Refused, SearchUnavailable
from tests import samples
from tests.cli.running import one_line, run

if TYPE_CHECKING:
    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy


OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
"""The sessions of everybody else."""


def documents(db: psycopg.Connection[Any]) -> dict[int, tuple[int, Any]]:
    """Return what the index has to hold."""
    rows = db.execute("SELECT event_id, search_version, document FROM oeventdb.search_documents()")
    return {event_id: (version, document) for event_id, version, document in rows}


def test_the_index_holds_every_published_event_with_its_version(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    changed = samples.event(db, name="Old name")
    db.execute("UPDATE events SET name = 'New name' WHERE id = %s", (changed,))
    samples.event(db, state="draft")
    samples.event(db, deleted_at=samples.NOW)
    samples.event(db, latitude=52.5, longitude=13.4, description='quoted " \\ \n text')

    done = search.reindex(migrated, elastic.url, alias=elastic.alias)

    assert done.documents == 2
    assert elastic.documents() == documents(db)
    assert elastic.documents()[changed][0] == 2


def test_what_is_brought_to_the_old_index_when_the_lock_is_lost_at_the_swap_is_in_the_new_one(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy
) -> None:
    changed, deleted = samples.event(db, name="Old name"), samples.event(db)
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    brought: list[int] = []

    def lose_the_lock(chunk: bytes) -> bool:
        if chunk.startswith(b"POST /_aliases") and not brought:
            db.execute(f"SELECT pg_terminate_backend(pid) {OTHERS}")
            db.execute("UPDATE events SET name = 'New name' WHERE id = %s", (changed,))
            db.execute("DELETE FROM events WHERE id = %s", (deleted,))
            brought.append(search.sync(migrated, elastic.url, alias=elastic.alias, once=True).documents)
        return True

    proxy.verdict = lose_the_lock
    search.reindex(migrated, proxy.url, alias=elastic.alias)
    assert brought == [2]
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    assert elastic.documents() == documents(db)
    assert db.execute("SELECT count(*) FROM oeventdb_internal.search_outbox").fetchone() == (0,)


@pytest.mark.parametrize("command", ["reindex", "verify"])
def test_no_time_limit_of_the_database_ends_a_command_that_waits_for_elasticsearch(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy, command: str
) -> None:
    missing = samples.event(db)
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    elastic.ask("DELETE", f"/{elastic.alias}/_doc/{missing}")
    database = sql.Identifier(db.info.dbname)
    for limit in ("idle_session_timeout", "idle_in_transaction_session_timeout", "statement_timeout"):
        db.execute(sql.SQL("ALTER DATABASE {} SET {} = '500ms'").format(database, sql.Identifier(limit)))
    waited: list[bytes] = []

    def slowly(chunk: bytes) -> bool:
        line = chunk.split(b"\r\n", 1)[0]
        if not waited or line.startswith(b"PUT ") or b"/_refresh" in line or b"/_mget" in line:
            waited.append(line)
            time.sleep(0.8)
        return True

    proxy.verdict = slowly
    if command == "reindex":
        assert search.reindex(migrated, proxy.url, alias=elastic.alias).documents == 1
    else:
        assert search.verify(migrated, proxy.url, alias=elastic.alias, repair=True).repaired == 1
    assert len(waited) >= 2
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    assert elastic.documents() == documents(db)


def test_an_empty_database_gives_an_empty_index(migrated: str, elastic: Elastic) -> None:
    done = search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert done.documents == 0
    assert elastic.behind() == elastic.behind(elastic.public) == [done.index]
    assert elastic.count() == 0


def test_the_finished_index_has_its_lasting_settings_and_only_the_two_aliases(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    samples.event(db)
    done = search.reindex(migrated, elastic.url, alias=elastic.alias)
    index = elastic.indices()[done.index]
    assert set(index["aliases"]) == {elastic.alias, elastic.public}
    assert index["aliases"][elastic.alias]["is_write_index"] is True
    settings = index["settings"]["index"]
    assert settings["refresh_interval"] == "1s"
    assert settings["auto_expand_replicas"] == "0-1"
    assert index["mappings"]["dynamic"] == "strict"


def test_private_events_are_behind_one_alias_only(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    public = samples.event(db)
    unknown = samples.event(db, privacy=None)
    private = samples.event(db, privacy="private")
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert set(elastic.documents()) == {public, unknown, private}
    assert set(elastic.documents(elastic.public)) == {public, unknown}


def test_many_bulk_requests_lose_and_double_nothing(
    db: psycopg.Connection, migrated: str, elastic: Elastic, many: int
) -> None:
    seen: list[tuple[str, int, int | None]] = []
    done = search.reindex(
        migrated,
        elastic.url,
        alias=elastic.alias,
        body_bytes=50_000,
        progress=lambda *state: seen.append(state),
    )
    assert done.documents == many
    assert elastic.documents() == documents(db)
    assert seen[-1] == ("reindex", many, many)
    assert [state[1] for state in seen] == sorted(state[1] for state in seen)


def test_patience_may_be_without_end(db: psycopg.Connection, migrated: str, elastic: Elastic) -> None:
    samples.event(db)
    search.reindex(migrated, elastic.url, alias=elastic.alias, patience=float("inf"))
    assert elastic.documents() == documents(db)


def test_the_previous_indices_are_kept_as_asked(migrated: str, elastic: Elastic) -> None:
    made = [search.reindex(migrated, elastic.url, alias=elastic.alias, keep=keep).index for keep in (1, 1, 2)]
    assert sorted(elastic.indices()) == made
    made.append(search.reindex(migrated, elastic.url, alias=elastic.alias, keep=1).index)
    assert sorted(elastic.indices()) == made[-2:]
    made.append(search.reindex(migrated, elastic.url, alias=elastic.alias, keep=0).index)
    assert sorted(elastic.indices()) == made[-1:]


def test_a_concrete_index_of_that_name_is_replaced(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    elastic.ask("PUT", f"/{elastic.alias}/_doc/1?refresh=true", {"name": "legacy"})
    samples.event(db)
    done = search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert elastic.behind() == [done.index]
    assert sorted(elastic.indices()) == [done.index]
    assert elastic.documents() == documents(db)


def test_an_alias_moves_from_an_index_of_another_maker_which_stays(migrated: str, elastic: Elastic) -> None:
    other = f"{elastic.alias}_v1"
    elastic.ask("PUT", f"/{other}", {"aliases": {elastic.alias: {}}})
    done = search.reindex(migrated, elastic.url, alias=elastic.alias, keep=0)
    assert elastic.behind() == [done.index]
    assert sorted(elastic.indices()) == [done.index, other]


def test_an_alias_full_of_other_indices_is_left_alone(migrated: str, elastic: Elastic) -> None:
    others = [f"{elastic.alias}_v1", f"{elastic.alias}_v2"]
    for other in others:
        elastic.ask("PUT", f"/{other}", {"aliases": {elastic.alias: {}}})
    with pytest.raises(SearchUnavailable, match="full of other indices"):
        search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert elastic.behind() == others == sorted(elastic.indices())


def test_an_index_in_the_place_of_the_public_alias_is_left_alone(migrated: str, elastic: Elastic) -> None:
    elastic.ask("PUT", f"/{elastic.public}")
    with pytest.raises(SearchUnavailable, match="has to be an alias"):
        search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert sorted(elastic.indices()) == [elastic.public]


def test_indices_of_others_with_similar_names_are_never_removed(migrated: str, elastic: Elastic) -> None:
    others = [f"{elastic.alias}-20200101t000000z", f"{elastic.alias}-archive"]
    for other in others:
        elastic.ask("PUT", f"/{other}")
    done = search.reindex(migrated, elastic.url, alias=elastic.alias, keep=0)
    assert sorted(elastic.indices()) == [others[0], done.index, others[1]]


def test_the_mapping_can_be_of_ones_own(db: psycopg.Connection, migrated: str, elastic: Elastic) -> None:
    samples.event(db)
    mappings = {"dynamic": False, "properties": {"privacy": {"type": "keyword"}}}
    own = search.Definition({"refresh_interval": "7s", "number_of_replicas": "0"}, mappings)
    done = search.reindex(migrated, elastic.url, alias=elastic.alias, definition=own)
    settings = elastic.indices()[done.index]["settings"]["index"]
    assert (settings["refresh_interval"], settings["number_of_replicas"]) == ("7s", "0")


@pytest.mark.parametrize("alias", ["", "Events", "_events", "a/b", "events,other", "a*", "e" * 300])
def test_a_name_that_no_index_can_have_is_refused(migrated: str, elastic: Elastic, alias: str) -> None:
    with pytest.raises(Refused, match="alias"):
        search.reindex(migrated, elastic.url, alias=alias)


def test_the_names_that_a_rebuild_gives_are_no_aliases(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    samples.event(db, privacy="private")
    index = search.reindex(migrated, elastic.url, alias=elastic.alias).index
    for alias in (elastic.public, f"{index}-building", index):
        with pytest.raises(Refused, match="must not end in"):
            search.reindex(migrated, elastic.url, alias=alias)
        with pytest.raises(Refused, match="must not end in"):
            search.search(elastic.url, "", alias=alias)
        for command in (["reindex"], ["sync", "--once"], ["verify"], ["search", "x"]):
            given = ("--dsn", migrated, "--elasticsearch-url", elastic.url, "--alias", alias)
            result = run(main, *command, *given)
            assert (result.exit_code, one_line(result)[:24]) == (2, "usage: the alias must no")
    assert elastic.count(elastic.public) == 0


@pytest.mark.parametrize(
    "privacy",
    [None, {"type": "text"}, {"type": "keyword", "index": False}, {"type": "keyword", "ignore_above": 6}],
    ids=["none", "text", "not searched", "too long"],
)
def test_a_mapping_that_cannot_tell_private_events_is_refused(
    db: psycopg.Connection, migrated: str, elastic: Elastic, privacy: dict[str, Any] | None
) -> None:
    samples.event(db, privacy="private")
    live = search.reindex(migrated, elastic.url, alias=elastic.alias).index
    own = search.Definition({}, {"dynamic": False, "properties": {"privacy": privacy} if privacy else {}})
    with pytest.raises(Refused, match="would show private events"):
        search.reindex(migrated, elastic.url, alias=elastic.alias, definition=own)
    assert sorted(elastic.indices()) == elastic.behind(elastic.public) == [live]


def test_a_database_that_is_not_migrated_is_refused_and_nothing_is_left(
    legacy: str, elastic: Elastic
) -> None:
    with pytest.raises(Refused, match="no search documents"):
        search.reindex(legacy, elastic.url, alias=elastic.alias)
    assert elastic.indices() == {}
