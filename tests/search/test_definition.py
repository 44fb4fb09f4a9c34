"""The definition of the index, read from a file of one's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from oeventdb import search
from oeventdb.errors import Refused
from tests import samples

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from tests.search.elastic import Elastic


ESSENTIAL = {"gc_deletes": "1h", "translog.durability": "request"}


def written(directory: Path, content: Any) -> Path:
    """Return a file with the content as JSON."""
    path = directory / "index.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    "settings",
    [
        {"number_of_shards": 2, "refresh_interval": "7s"},
        {"index": {"number_of_shards": 2, "refresh_interval": "7s"}},
        {"index.number_of_shards": 2, "index.refresh_interval": "7s"},
        {"index": {"number_of_shards": 2}, "refresh_interval": "7s"},
        {"index": {"number_of_shards": 2}, "index.refresh_interval": "7s"},
    ],
    ids=["short", "nested", "dotted", "half-nested", "half-dotted"],
)
def test_settings_may_be_written_in_every_form_that_elasticsearch_takes(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    own = search.load(written(tmp_path, {"settings": settings}))
    assert own.settings == {"number_of_shards": 2, "refresh_interval": "7s"} | ESSENTIAL


def test_what_keeps_the_index_right_need_not_be_repeated_and_may_be_changed(tmp_path: Path) -> None:
    assert search.load(written(tmp_path, {"mappings": {}})).settings == ESSENTIAL
    own = {"translog": {"durability": "async"}, "index": {"gc_deletes": "5m"}}
    changed = {"translog.durability": "async", "gc_deletes": "5m"}
    assert search.load(written(tmp_path, {"settings": own})).settings == changed


def test_what_stands_beside_the_settings_of_the_index_is_not_lost(
    db: psycopg.Connection, tmp_path: Path, migrated: str, elastic: Elastic
) -> None:
    exact = {"analyzer": {"exact": {"type": "custom", "tokenizer": "standard"}}}
    properties = {
        "id": {"type": "long"},
        "name": {"type": "text", "analyzer": "exact"},
        "privacy": {"type": "keyword"},
    }
    content = {
        "settings": {"index": {"number_of_replicas": 0}, "analysis": exact},
        "mappings": {"dynamic": False, "properties": properties},
    }
    event = samples.event(db, name="Upper")
    own = search.load(written(tmp_path, content))
    search.reindex(migrated, elastic.url, alias=elastic.alias, definition=own)
    for text, hits in (("upper", []), ("Upper", [str(event)])):
        answer = elastic.ask("POST", f"/{elastic.alias}/_search", {"query": {"match": {"name": text}}})
        assert [hit["_id"] for hit in answer["hits"]["hits"]] == hits


@pytest.mark.parametrize(
    "content",
    [
        {"settings": None},
        {"settings": {"index": None}},
        {"settings": []},
        {"mappings": "strict"},
        {"mappings": {"_meta": None}},
        {"aliases": {}},
        [],
    ],
    ids=json.dumps,
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(Refused, match="is no index definition"):
        search.load(written(tmp_path, content))


def test_a_file_that_nests_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    path.write_text("[" * 100_000)
    with pytest.raises(Refused, match="is not JSON"):
        search.load(path)
