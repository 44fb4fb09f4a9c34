"""Index templates of the cluster that match our names: aliases and settings that nobody here has asked for."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from oeventdb import search
from oeventdb.errors import SearchUnavailable
from oeventdb.search import Cluster
from oeventdb.search.indices import Indices
from tests import samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from tests.search.elastic import Elastic


@contextmanager
def template(elastic: Elastic, kind: str = "_index_template", **parts: Any) -> Iterator[None]:
    """Have a template for every index of this alias during the block."""
    pattern: dict[str, Any] = {"index_patterns": [f"{elastic.alias}-*"]}
    if kind == "_index_template":
        pattern |= {"priority": 500, "template": parts} if parts else {"priority": 500, "data_stream": {}}
    else:
        pattern |= parts
    elastic.ask("PUT", f"/{kind}/{elastic.alias}", pattern)
    try:
        yield
    finally:
        elastic.ask("DELETE", f"/{kind}/{elastic.alias}")


@pytest.mark.parametrize("kind", ["_index_template", "_template"])
def test_an_alias_of_the_templates_own_is_left_on_the_index(
    db: psycopg.Connection, migrated: str, elastic: Elastic, kind: str
) -> None:
    samples.event(db)
    own = f"{elastic.alias}everything"
    with template(elastic, kind, aliases={own: {}}):
        done = [search.reindex(migrated, elastic.url, alias=elastic.alias).index for _ in range(3)]
    assert elastic.behind() == elastic.behind(elastic.public) == [done[-1]]
    assert set(elastic.indices()[done[-1]]["aliases"]) == {elastic.alias, elastic.public, own}
    assert sorted(elastic.indices()) == done[1:], "as many are kept as without it"


def test_an_unfinished_index_with_an_alias_of_a_template_is_removed(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    samples.event(db)
    with template(elastic, aliases={f"{elastic.alias}everything": {}}), Cluster(elastic.url) as cluster:
        Indices(cluster, elastic.alias).create(search.definition.load())
        done = search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert list(elastic.indices()) == elastic.behind() == [done.index]


def test_a_template_that_would_show_the_unfinished_index_is_refused(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    samples.event(db)
    done = search.reindex(migrated, elastic.url, alias=elastic.alias)
    for alias in (elastic.alias, elastic.public):
        with (
            template(elastic, aliases={alias: {}}),
            pytest.raises(SearchUnavailable, match="template") as caught,
        ):
            search.reindex(migrated, elastic.url, alias=elastic.alias)
        assert alias in str(caught.value)
        assert list(elastic.indices()) == elastic.behind() == [done.index]


def test_a_template_of_data_streams_is_said(db: psycopg.Connection, migrated: str, elastic: Elastic) -> None:
    samples.event(db)
    with template(elastic), pytest.raises(SearchUnavailable, match="data stream") as caught:
        search.reindex(migrated, elastic.url, alias=elastic.alias)
    assert "\n" not in str(caught.value)
    assert elastic.indices() == {}


def test_settings_and_fields_of_a_template_do_not_change_ours(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    samples.event(db)
    plain = search.reindex(migrated, elastic.url, alias=elastic.alias)
    settings = {"number_of_replicas": 3, "number_of_shards": 2, "refresh_interval": "-1", "gc_deletes": "1s"}
    settings["translog.durability"] = "async"
    mappings = {"dynamic": False, "properties": {"name": {"type": "keyword"}, "own": {"type": "date"}}}
    with template(elastic, settings=settings, mappings=mappings):
        done = search.reindex(migrated, elastic.url, alias=elastic.alias)
    before, after = (elastic.indices()[index] for index in (plain.index, done.index))
    assert after["mappings"]["properties"].pop("own") == {"type": "date"}
    assert after["mappings"] == before["mappings"]
    for of_one in ("uuid", "creation_date", "provided_name"):
        del before["settings"]["index"][of_one], after["settings"]["index"][of_one]
    assert after["settings"] == before["settings"]
