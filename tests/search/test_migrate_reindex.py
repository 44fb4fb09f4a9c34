"""migrate --reindex: the release's migrations and the index that goes with them, in one command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb.cli import main
from tests import samples
from tests.cli.running import one_line, run

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from tests.search.elastic import Elastic

LAST = "0010.drop-discount-code-tickets"


@pytest.fixture(autouse=True)
def _shell(monkeypatch: pytest.MonkeyPatch, elastic: Elastic) -> None:
    monkeypatch.setenv("OEVENTDB_ELASTICSEARCH_URL", elastic.url)
    monkeypatch.setenv("OEVENTDB_ALIAS", elastic.alias)


@pytest.fixture
def behind(db: psycopg.Connection, migrated: str) -> str:
    """Return the DSN of a database with one published event and its last migration pending."""
    samples.event(db, name="PyCon DE")
    assert run(main, "rollback", "--dsn", migrated).exit_code == 0
    return migrated


def migrate(dsn: str, *arguments: str) -> Result:
    """Run migrate --reindex."""
    return run(main, "migrate", "--reindex", "--dsn", dsn, *arguments)


def pending(dsn: str) -> list[str]:
    """Return the migrations that are not applied."""
    found = json.loads(run(main, "status", "--json", "--dsn", dsn).stdout)["pending"]
    assert isinstance(found, list)
    return found


def test_it_applies_the_migrations_and_then_rebuilds_the_index(behind: str, elastic: Elastic) -> None:
    done = migrate(behind)
    assert (done.exit_code, done.stdout) == (0, f"applied {LAST}\n")
    [index] = elastic.behind()
    assert done.stderr.startswith(f"{elastic.alias} is now {index} with 1 documents")


def test_in_json_the_rebuild_stands_beside_what_was_applied(behind: str, elastic: Elastic) -> None:
    done = json.loads(migrate(behind, "--json").stdout)
    [index] = elastic.behind()
    seconds = done["reindex"].pop("seconds")
    assert seconds > 0
    assert done == {
        "applied": [LAST],
        "reindex": {"index": index, "alias": elastic.alias, "documents": 1},
    }


def test_with_nothing_to_apply_it_rebuilds_all_the_same(migrated: str, elastic: Elastic) -> None:
    assert migrate(migrated).exit_code == 0
    assert len(elastic.behind()) == 1


def test_a_failing_elasticsearch_leaves_the_migrations_applied_and_says_so(behind: str) -> None:
    done = migrate(behind, "--elasticsearch-url", "http://u:geheim@127.0.0.1:1")
    assert (done.exit_code, done.stdout) == (5, f"applied {LAST}\n")
    [line] = done.stderr.splitlines()
    assert line.startswith("elasticsearch: no answer from http://127.0.0.1:1")
    assert "the migrations stay applied (run oeventdb reindex" in line
    assert pending(behind) == []


def test_in_json_a_failing_elasticsearch_leaves_null_for_the_rebuild(behind: str) -> None:
    done = migrate(behind, "--json", "--elasticsearch-url", "http://127.0.0.1:1")
    assert done.exit_code == 5
    assert json.loads(done.stdout) == {"applied": [LAST], "reindex": None}


def test_a_dry_run_says_what_it_would_do_and_does_nothing(behind: str, elastic: Elastic) -> None:
    done = migrate(behind, "--dry-run")
    assert done.exit_code == 0
    assert done.stdout.startswith(LAST)
    assert (
        done.stderr == f"dry run: nothing was written; 1 would run, then {elastic.alias} would be rebuilt\n"
    )
    planned = json.loads(migrate(behind, "--dry-run", "--json").stdout)
    assert planned == {"applied": [], "would_run": [LAST], "would_reindex": elastic.alias}
    assert pending(behind) == [LAST]
    assert elastic.indices() == {}


def test_index_settings_that_are_none_are_refused_before_anything_is_applied(
    behind: str, tmp_path: Path
) -> None:
    broken = tmp_path / "index.json"
    broken.write_text("{")
    done = migrate(behind, "--index-settings", str(broken))
    assert done.exit_code == 1
    assert "is not JSON" in one_line(done)
    assert pending(behind) == [LAST]


def test_a_failing_migration_rebuilds_nothing(elastic: Elastic) -> None:
    assert migrate("postgresql://127.0.0.1:1/none").exit_code == 4
    assert elastic.indices() == {}


def test_it_rebuilds_with_the_settings_that_reindex_was_given(
    migrated: str, elastic: Elastic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "index.json"
    own.write_text(
        '{"settings": {"number_of_shards": 2}, "mappings": {"properties": {"privacy": {"type": "keyword"}}}}'
    )
    monkeypatch.setenv("OEVENTDB_REINDEX_INDEX_SETTINGS", str(own))
    assert migrate(migrated).exit_code == 0
    [index] = elastic.indices().values()
    assert index["settings"]["index"]["number_of_shards"] == "2"
