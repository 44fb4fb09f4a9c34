"""Printing: data on stdout, everything else on stderr."""

from __future__ import annotations

import codecs
import dataclasses
import io
import json
import os
import re
import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Rich cuts and folds to 80 columns where it sees no terminal; a pipe wants whole lines.
_PIPE_WIDTH = 10_000


def _plain(value: object) -> object:
    """Return a JSON form of what psycopg and our dataclasses hold: numbers with a point as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal | Path):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _nowhere() -> TextIO:
    """Return a stream for what nobody can be told any more."""
    return Path(os.devnull).open("w", encoding="utf-8")


def take_everything() -> None:
    """Have stdout print as escapes what its encoding lacks, and nothing fail for a stream that the caller has closed."""
    for name in ("stdout", "stderr"):
        # first that: a connection must not get the number of the closed one
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        if isinstance(sys.stdout.buffer, io.RawIOBase):
            # so it is with PYTHONUNBUFFERED: what a full disk or a closed pipe has not taken would be no error
            sys.stdout = open(sys.stdout.fileno(), "w", encoding=sys.stdout.encoding, closefd=False)  # noqa: SIM115
        sys.stdout.reconfigure(errors="backslashreplace")


def to_json(data: object, *, indent: int | None = None, only_ascii: bool = False) -> str:
    """Return data as JSON text; dates as ISO 8601, decimals as strings, durations in seconds."""
    return json.dumps(data, default=_plain, ensure_ascii=only_ascii, indent=indent)


def print_json(data: object) -> None:
    """Print one JSON document on stdout."""
    # in escapes of JSON itself where stdout is not UTF-8
    is_utf_8 = codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8"
    click.echo(to_json(data, indent=2, only_ascii=not is_utf_8))


# A terminal would obey them, or show the rest of the line in another order.
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return text that moves nothing on a terminal, whoever wrote it."""
    return _COMMANDS.sub("\N{REPLACEMENT CHARACTER}", text)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else printable(str(value))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """Print rows as a table on stdout; columns of numbers stand right, None is left empty."""
    # here, as it takes longer than most commands that print no table
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [list(row) for row in rows]
    table = Table(title=title or None, title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    for position, column in enumerate(columns):
        numeric = bool(cells) and all(
            isinstance(row[position], int | float | Decimal) or row[position] is None for row in cells
        )
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(_cell(cell)) for cell in row))
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=_PIPE_WIDTH)
    console.print(table)


def note(message: str) -> None:
    """Say something to the person at the terminal, on stderr; where it cannot be written, nothing fails for that."""
    try:
        click.echo(message, err=True)
    except OSError:
        # a full disk, or a pipe that nobody reads: the rest would fail at the end of the process, and change its status
        sys.stderr = _nowhere()


def give_up_data() -> None:
    """Let what stdout has not taken, where that was the failure, not fail again at the end of the process, and change its status."""
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = _nowhere()
