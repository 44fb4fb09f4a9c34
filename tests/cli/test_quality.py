"""audit and quarantine on the command line: data on stdout, the rest on stderr, and what a script needs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import schema
from oeventdb.cli import main
from oeventdb.demo.loading import load
from tests.cli.running import one_line, run
from tests.legacy.generator import generate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Databases


@pytest.fixture(scope="module")
def dirty(databases: Databases, legacy_template: str) -> Iterator[str]:
    """A dirty legacy database."""
    dsn = databases.create(legacy_template)
    with psycopg.connect(dsn) as connection:
        load(connection, generate(11))
    yield dsn
    databases.drop(dsn)


@pytest.fixture(scope="module")
def mended(databases: Databases, legacy_template: str) -> Iterator[str]:
    """A dirty legacy database after the migrations."""
    dsn = databases.create(legacy_template)
    with psycopg.connect(dsn) as connection:
        load(connection, generate(11))
    schema.migrate(dsn)
    yield dsn
    databases.drop(dsn)


def test_audit_counts_what_breaks_a_rule_and_exits_with_3(dirty: str) -> None:
    result = run(main, "audit", "--dsn", dirty)
    assert result.exit_code == 3
    assert "ticket_oversold" in result.stdout
    assert "rules are broken" in result.stderr
    assert "rules are broken" not in result.stdout


def test_audit_as_json_has_every_rule(dirty: str) -> None:
    result = run(main, "audit", "--dsn", dirty, "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert all(set(rule) == {"rule", "table", "violations", "sample"} for rule in found)
    assert all(len(rule["sample"]) == min(5, rule["violations"]) for rule in found)
    assert {rule["violations"] == 0 for rule in found} == {True, False}


def test_audit_of_a_clean_database_exits_with_0(migrated: str) -> None:
    result = run(main, "audit", "--dsn", migrated)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "rules are kept" in result.stderr


def test_audit_of_a_database_that_is_not_ours_is_refused(empty: str) -> None:
    result = run(main, "audit", "--dsn", empty)
    assert result.exit_code == 1
    assert one_line(result).startswith("refused: this is no Open Event database")


def test_quarantine_list_as_json_is_the_contract(mended: str) -> None:
    result = run(main, "quarantine", "list", "--dsn", mended, "--json")
    assert result.exit_code == 0
    entries = json.loads(result.stdout)
    assert all(list(entry) == ["id", "migration", "table", "key", "reason"] for entry in entries)
    assert len(entries) > 500


def test_quarantine_list_of_one_table(mended: str) -> None:
    result = run(main, "quarantine", "list", "--table", "feedback", "--limit", "3", "--dsn", mended)
    assert result.exit_code == 0
    assert result.stdout.count("0003.ratings") == 3


def test_quarantine_list_ends_after_what_a_person_reads(migrated: str) -> None:
    with psycopg.connect(migrated) as connection:
        connection.execute(
            "INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)"
            " SELECT '0003.ratings', 'feedback', 'key' || g, '{}', 'out' FROM generate_series(1, 1001) AS g"
        )
    result = run(main, "quarantine", "list", "--dsn", migrated)
    assert result.stdout.count(" key") == 1001, "the head of the column and 1000 entries"
    assert result.stderr == "only the first 1000 entries are shown: --limit N or --json shows more\n"
    whole = run(main, "quarantine", "list", "--limit", "2000", "--dsn", migrated)
    assert (whole.stdout.count(" key"), whole.stderr) == (1002, "")
    assert len(json.loads(run(main, "quarantine", "list", "--json", "--dsn", migrated).stdout)) == 1001


def test_quarantine_list_says_when_there_is_nothing(migrated: str) -> None:
    result = run(main, "quarantine", "list", "--dsn", migrated)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing is in quarantine" in result.stderr
    assert json.loads(run(main, "quarantine", "list", "--dsn", migrated, "--json").stdout) == []


def test_quarantine_list_knows_a_migration_by_the_beginning_of_its_id(mended: str) -> None:
    lists = [
        run(main, "quarantine", "list", "--migration", given, "--json", "--dsn", mended).stdout
        for given in ("0003", "0003.ratings")
    ]
    assert len(json.loads(lists[0])) > 100
    assert lists[0] == lists[1]
    unknown = run(main, "quarantine", "list", "--migration", "0099", "--dsn", mended)
    assert unknown.exit_code == 1
    assert one_line(unknown).startswith("refused: there is no migration '0099'; there are: 0001.")


@pytest.mark.parametrize("given", [("--table", "nothing"), ("--migration", "0001")])
def test_quarantine_list_says_when_nothing_is_what_was_asked_for(mended: str, given: tuple[str, str]) -> None:
    result = run(main, "quarantine", "list", *given, "--dsn", mended)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "nothing of that table or migration is in quarantine\n"


def removed_holder(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT j.id FROM oeventdb_internal.journal j JOIN tickets t ON t.id = (j.old_row ->> 'ticket_id')::bigint"
            " LEFT JOIN orders o ON o.id = (j.old_row ->> 'order_id')::bigint"
            " WHERE j.reason LIKE '%removed' AND j.restored_at IS NULL AND t.quantity > 0"
            " AND coalesce(o.status, '') NOT IN ('cancelled', 'expired', 'deleted') ORDER BY j.id LIMIT 1"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_quarantine_show_tells_what_stands_in_the_way(mended: str) -> None:
    number = str(removed_holder(mended))
    result = run(main, "quarantine", "show", number, "--dsn", mended)
    assert result.exit_code == 0
    assert "is refused now: OE101" in result.stdout
    assert "firstname" in result.stdout
    shown = json.loads(run(main, "quarantine", "show", number, "--dsn", mended, "--json").stdout)
    assert shown["current_row"] is None
    assert shown["old_row"]["id"] == int(shown["key"])


def test_quarantine_show_has_a_value_that_was_null_and_is_not(mended: str) -> None:
    entries = json.loads(run(main, "quarantine", "list", "--json", "--dsn", mended).stdout)
    filled = next(entry["id"] for entry in entries if entry["reason"].startswith("event missing"))
    show = ("quarantine", "show", str(filled), "--dsn", mended)
    event_id = json.loads(run(main, *show, "--json").stdout)["current_row"]["event_id"]
    assert ["event_id", str(event_id)] in [row.split() for row in run(main, *show).stdout.splitlines()]


def test_quarantine_show_does_not_call_gone_what_was_no_row(mended: str) -> None:
    entries = json.loads(run(main, "quarantine", "list", "--json", "--dsn", mended).stdout)
    claim = next(entry for entry in entries if entry["reason"].startswith("claim lost"))
    shown = run(main, "quarantine", "show", str(claim["id"]), "--dsn", mended).stdout
    assert f"tickets {claim['key']} " in shown
    assert "gone" not in shown


def test_quarantine_restore_is_refused_and_then_done_once(mended: str) -> None:
    number = str(removed_holder(mended))
    refused = run(main, "quarantine", "restore", number, "--dsn", mended)
    assert refused.exit_code == 1
    assert one_line(refused).startswith("OE101: ")
    with psycopg.connect(mended) as connection:
        connection.execute(
            "UPDATE tickets SET quantity = NULL WHERE id ="
            " (SELECT (old_row ->> 'ticket_id')::bigint FROM oeventdb_internal.journal WHERE id = %s)",
            [number],
        )
    done = run(main, "quarantine", "restore", number, "--dsn", mended)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith("restored ticket_holders ")
    again = run(main, "quarantine", "restore", number, "--dsn", mended)
    assert again.exit_code == 1
    assert one_line(again).startswith("OE400: ")


@pytest.mark.parametrize("command", ["show", "restore"])
def test_an_entry_that_does_not_exist(mended: str, command: str) -> None:
    result = run(main, "quarantine", command, "999999", "--dsn", mended)
    assert result.exit_code == 1
    assert one_line(result).startswith("OE404: journal entry 999999 does not exist")


@pytest.mark.parametrize("number", ["0", "-1", "x", "1; DROP TABLE events", "9" * 30])
def test_a_number_that_is_none_is_a_usage_error(mended: str, number: str) -> None:
    result = run(main, "quarantine", "restore", "--dsn", mended, "--", number)
    assert result.exit_code == 2
    assert one_line(result).startswith("usage: ")


@pytest.mark.parametrize("words", [("list",), ("show", "1"), ("restore", "1")])
def test_a_legacy_database_has_no_quarantine(dirty: str, words: tuple[str, ...]) -> None:
    result = run(main, "quarantine", *words, "--dsn", dirty)
    assert result.exit_code == 1
    assert one_line(result).startswith("refused: this database has no journal yet")
