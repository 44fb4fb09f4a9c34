"""No command waits for a lock for ever."""

from __future__ import annotations

import psycopg
import pytest

from oeventdb.cli import main
from tests.cli.running import one_line, run


@pytest.fixture
def locked(migrated: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the DSN of a database whose commands wait for a moment only."""
    monkeypatch.setattr("oeventdb.connection._LONGEST_WAIT", "300ms")
    return migrated


@pytest.mark.parametrize("command", ["audit", "check", "expire-orders"])
def test_it_says_what_to_do(locked: str, command: str) -> None:
    with psycopg.connect(locked) as session:
        session.execute("LOCK TABLE events, feedback, orders IN ACCESS EXCLUSIVE MODE")
        result = run(main, command, "--dsn", locked)
    assert result.exit_code == 1
    assert one_line(result).startswith("55P03: canceling statement due to lock timeout (another session")
    assert run(main, command, "--dsn", locked).exit_code == 0


@pytest.mark.parametrize("command", [["status"], ["quarantine", "list"]])
def test_what_needs_no_table_of_open_event_is_not_kept_waiting(locked: str, command: list[str]) -> None:
    with psycopg.connect(locked) as session:
        session.execute("LOCK TABLE events, feedback, orders IN ACCESS EXCLUSIVE MODE")
        assert run(main, *command, "--dsn", locked).exit_code == 0
