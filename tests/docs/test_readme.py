"""The examples of the README run, and every command in it and in the pages is one that there is."""

from __future__ import annotations

import re
import shlex
import textwrap
from typing import TYPE_CHECKING

import click
import psycopg
import pytest

from oeventdb.cli import main
from tests import samples
from tests.docs import reading

if TYPE_CHECKING:
    from collections.abc import Iterator

README = reading.ROOT / "README.md"
PAGES = [README, reading.ROOT / "CONTRIBUTING.md", *sorted(reading.DOCS.rglob("*.md"))]
DSN = "postgresql://app@localhost/open_event"
COMMAND = re.compile(r"^(?:    |ExecStart=\S*/)(oeventdb [a-z][^#|>\n`]*)", re.MULTILINE)


@pytest.fixture
def workshop(db: psycopg.Connection) -> psycopg.Connection:
    """A database in which ticket 7 has one seat, and ticket 2403 none."""
    event = samples.event(db)
    for number, quantity in ((7, 2), (2403, 0)):
        samples.ticket(db, event, id=number, quantity=quantity)
    return db


def _blocks(language: str) -> Iterator[str]:
    return (block.text for block in reading.blocks(README) if block.language == language)


def test_the_examples_of_the_readme_run(
    workshop: psycopg.Connection, migrated: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for statement in _blocks("sql"):
        assert workshop.execute(statement.encode()).rowcount == 1
    for code in _blocks("python"):
        assert DSN in code
        for _ in range(2):
            exec(compile(code.replace(DSN, migrated), "README.md", "exec"), {})  # noqa: S102
    assert "0 left: Ask for fewer" in capsys.readouterr().out


def test_the_refusal_on_the_first_screen_is_the_one_that_comes(workshop: psycopg.Connection) -> None:
    shown = " ".join(next(_blocks("text")).split())
    statement = re.sub(r"open_event[=-]> ", "", shown.partition("ERROR:")[0])
    with pytest.raises(psycopg.Error) as refusal:
        workshop.execute(statement.encode())
    diagnosis = refusal.value.diag
    said = (
        f"ERROR: {diagnosis.sqlstate}: {diagnosis.message_primary} "
        f"DETAIL: {diagnosis.message_detail} HINT: {diagnosis.message_hint}"
    )
    assert shown.endswith(said)


def _commands() -> list[str]:
    texts = [page.read_text("utf-8") for page in PAGES]
    blocks = [block for page in PAGES for block in reading.blocks(page) if block.language == "sh"]
    texts += [textwrap.indent(block.text, "    ") for block in blocks]
    found = (line for text in texts for line in COMMAND.findall(text))
    return sorted({line.strip() for line in found if not re.search(r"\[OPTIONS\]|[{$]", line)})


@pytest.mark.parametrize("line", _commands())
def test_a_command_that_is_shown_can_be_given(line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command | None = main
    while isinstance(command, click.Group):
        name = words.pop(0)
        command = command.get_command(click.Context(command), name)
    assert command, line
    command.make_context(name, words)
