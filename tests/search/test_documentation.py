"""The Python example of the page on the search index runs as it stands, but for the alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import samples
from tests.docs.reading import DOCS, blocks

if TYPE_CHECKING:
    import psycopg
    import pytest

    from tests.search.elastic import Elastic

PAGE = DOCS / "how-to" / "keep-a-search-index.md"


def run(dsn: str, url: str, alias: str) -> None:
    """Run what the page shows."""
    [code] = [
        block.text.replace('"events"', repr(alias)) for block in blocks(PAGE) if block.language == "python"
    ]
    exec(compile(code, str(PAGE), "exec"), {"dsn": dsn, "elasticsearch_url": url})  # noqa: S102


def test_the_example_runs(
    db: psycopg.Connection, migrated: str, elastic: Elastic, capsys: pytest.CaptureFixture[str]
) -> None:
    event = samples.event(db, name="Python Day", searchable_location_name="Berlin")
    run(migrated, elastic.url, elastic.alias)
    built, verified, hit = capsys.readouterr().out.splitlines()
    assert built.startswith(f"1 documents in {elastic.alias}-")
    assert (verified, hit) == ("[] [] [] 0", f"{event} Python Day")


def test_its_error_is_what_the_command_says(
    migrated: str, elastic: Elastic, capsys: pytest.CaptureFixture[str]
) -> None:
    run(migrated, "http://127.0.0.1:1", elastic.alias)
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("elasticsearch 5 ")
