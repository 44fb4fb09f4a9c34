"""The outbox: it is for one alias, and no document in it holds up the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oeventdb import search
from tests import samples
from tests.search.test_reindex import documents
from tests.search.test_sync import lag, once

if TYPE_CHECKING:
    import psycopg

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


def test_what_was_set_aside_is_not_any_more_once_a_rebuild_has_it(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    strict = search.Definition({}, {"dynamic": False, "properties": {"name": {"type": "long"}}})
    search.reindex(migrated, elastic.url, alias=elastic.alias, definition=strict)
    samples.event(db, name="poison")
    once(migrated, elastic)
    assert lag(db) == (0, 1)
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert lag(db) == (0, 0)


def test_what_was_set_aside_can_be_queued_again(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    narrow = search.Definition({"mapping.total_fields.limit": 1}, {"properties": {"id": {"type": "long"}}})
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
