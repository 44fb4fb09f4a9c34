"""What is printed: data on stdout, whole; chatter and bars on stderr, and only for a person."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from oeventdb.cli import output
from oeventdb.cli.progress import progress_bars


@dataclass(frozen=True)
class Row:
    """A row as the client returns it."""

    id: int
    price: Decimal
    at: datetime | None = None


def test_rows_become_json() -> None:
    text = output.to_json(
        [Row(1, Decimal("5.00"), datetime(2018, 5, 1, 12, tzinfo=UTC)), Row(2, Decimal("0.1"))]
    )
    assert json.loads(text) == [
        {"id": 1, "price": "5.00", "at": "2018-05-01T12:00:00+00:00"},
        {"id": 2, "price": "0.1", "at": None},
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (timedelta(minutes=1, milliseconds=500), 60.5),
        ({"a"}, ["a"]),
        (("x", 1), ["x", 1]),
        ("Zürich ٣", "Zürich ٣"),
    ],
)
def test_other_values_become_json(value: object, expected: object) -> None:
    assert json.loads(output.to_json(value)) == expected


def test_what_has_no_json_form_is_an_error() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        output.to_json(object())


def test_a_table_in_a_pipe_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(
        ["id", "name"], [(1, "x" * 500), (2, "[bold]not markup[/bold]"), (3, None)], title="Rows"
    )
    printed = capsys.readouterr()
    assert "x" * 500 in printed.out
    assert "[bold]not markup[/bold]" in printed.out
    assert "None" not in printed.out
    assert printed.err == ""


def test_a_measured_number_is_rounded_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(["seconds", "price"], [(0.22931523899978856, Decimal("4.125"))])
    printed = capsys.readouterr().out
    assert "0.23 " in printed
    assert "4.125" in printed


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("as_json", [True, False])
def test_what_stdout_cannot_encode_is_printed_as_escapes(
    monkeypatch: pytest.MonkeyPatch, encoding: str, *, as_json: bool
) -> None:
    name = "Zürich ٣ 🎉"
    data = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(data, encoding=encoding, write_through=True))
    output.take_everything()
    if as_json:
        output.print_json({"name": name})
        assert json.loads(data.getvalue().decode(encoding)) == {"name": name}
    else:
        output.print_table(["name"], [(name,)])
        escaped = name.encode(encoding, "backslashreplace").decode(encoding)
        assert escaped in data.getvalue().decode(encoding)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_data_that_a_full_disk_does_not_take_are_a_failure_in_one_line(unbuffered: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "oeventdb", "--version"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


def test_a_note_is_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    output.note("working")
    assert capsys.readouterr() == ("", "working\n")


class Terminal(io.StringIO):
    """A stderr that someone watches."""

    def isatty(self) -> bool:
        """Say that it is a terminal."""
        return True


def _draw() -> None:
    with progress_bars() as report:
        report("indexing", 1, None)
        report("indexing", 5, 10)
        report("checking", 10, 10)


def test_bars_are_drawn_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    _draw()
    assert "indexing" in terminal.getvalue()
    assert "5/10" in terminal.getvalue()


def test_no_bar_is_drawn_into_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    _draw()
    assert capsys.readouterr() == ("", "")


def test_a_bar_ends_when_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    def fail() -> None:
        with progress_bars() as report:
            report("indexing", 1, 2)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert terminal.getvalue().count(hidden) == terminal.getvalue().count(shown) == 1
