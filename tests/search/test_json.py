"""What each command prints with --json has the keys that the page of the commands names."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from oeventdb.cli import main
from tests import samples
from tests.cli.running import commands, run
from tests.docs.reading import DOCS
from tests.schema import open_event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.roles import Roles
    from tests.search.elastic import Elastic

PAGE = (DOCS / "reference/commands.md").read_text("utf-8")
SECTION = PAGE.partition("## What `--json` prints\n")[2].partition("\n## ")[0]
SHAPES = dict(re.findall(r"^\| `([a-z -]+)` \| (.*) \|$", SECTION, re.MULTILINE))
ORDER = (
    *("adopt", "audit", "migrate --dry-run", "migrate", "check", "status", "grant", "expire-orders"),
    *("quarantine list", "quarantine show", "quarantine restore"),
    *("reindex", "reindex --to-file", "sync", "verify", "search", "rollback --dry-run", "rollback"),
)
ROWS = {"tables", "old_row", "current_row"}
"""Whose keys are names in a database."""


def named(command: str) -> set[str]:
    """Every key of a command's document that the page names."""
    keys = set(re.findall(r'"([a-z_]+)"', SHAPES[command].partition(";")[0]))
    return keys | named("quarantine restore") if command == "quarantine show" else keys


def printed(data: Any) -> Iterator[str]:
    """Every key of a document."""
    if isinstance(data, list):
        for item in data:
            yield from printed(item)
    elif isinstance(data, dict):
        for key, value in data.items():
            yield key
            yield from () if key in ROWS else printed(value)


@pytest.fixture
def shell(empty: str, elastic: Elastic, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of Open Event in which each command has something to say, and what a shell would have set."""
    with psycopg.connect(empty) as connection:
        open_event.create(connection, grown=False)
        ticket = samples.ticket(connection, samples.event(connection, name="PyCon"), quantity=0)
        samples.insert(connection, "ticket_holders", ticket_id=ticket, firstname="Ada", lastname="Lovelace")
    monkeypatch.setenv("OEVENTDB_DSN", empty)
    monkeypatch.setenv("OEVENTDB_ELASTICSEARCH_URL", elastic.url)
    monkeypatch.setenv("OEVENTDB_ALIAS", elastic.alias)
    return empty


def test_every_command_prints_the_keys_that_are_documented(shell: str, roles: Roles, tmp_path: Path) -> None:
    arguments = {
        "grant": ["app", roles.create("app")],
        "quarantine restore": ["1"],
        "quarantine show": ["1"],
        "reindex --to-file": [str(tmp_path / "events.ndjson")],
        "search": ["pyc"],
        "sync": ["--once"],
    }
    for command in ORDER:
        if command == "check":
            with psycopg.connect(shell) as connection:
                connection.execute("UPDATE tickets SET quantity = 1")
                connection.execute("ALTER FUNCTION oeventdb.update_rating VOLATILE")
        result = run(main, *command.split(), *arguments.get(command, []), "--json")
        found = set(printed(json.loads(result.stdout)))
        assert found >= named(command) if command == "search" else found == named(command), command


def test_every_command_is_documented() -> None:
    assert {name.partition(" --")[0] for name in SHAPES} == {" ".join(words) for words in commands()}
    assert sorted(SHAPES) == sorted([*ORDER, "demo"])
