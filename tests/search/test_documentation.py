"""The Python example of the page on the search index runs as it stands, but for the alias."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests import samples

if TYPE_CHECKING:
    import psycopg
    import pytest

    from tests.search.elastic import Elastic

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "keep-a-search-index.md").read_text()


def run(dsn: str, url: str, alias: str) -> None:
    """Run what the page shows."""
    [block] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    code = block.replace('"events"', repr(alias))
    exec(compile(code, "keep-a-search-index.md", "exec"), {"dsn": dsn, "elasticsearch_url": url})  # noqa: S102


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
