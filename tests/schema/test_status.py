"""What is applied and pending, and which version each function has."""

from __future__ import annotations

import json

import psycopg
import pytest
from click.testing import CliRunner, Result

import oeventdb
from oeventdb import schema
from oeventdb.cli import main
from oeventdb.errors import Refused


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def status(dsn: str) -> schema.Status:
    with schema.connect(dsn) as connection:
        return schema.status(connection)


def execute(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(statement.encode())


def test_an_empty_database_has_everything_pending(empty: str) -> None:
    found = status(empty)
    assert found.migrations == []
    assert found.pending == [m.id for m in schema.load()]
    assert found.functions == []
    assert (found.database, found.package) == (None, oeventdb.__version__)


def test_a_migrated_database_has_every_function_of_this_release(migrated: str) -> None:
    found = status(migrated)
    ids = [m.id for m in schema.load()]
    assert [m.id for m in found.migrations] == ids
    assert found.pending == []
    assert found.database == ids[-1]
    versions = {f.name: f for f in found.functions}
    assert versions["oeventdb.update_rating"].version == "0003.ratings"
    assert len(versions["oeventdb.update_rating"].hash) == 64
    assert [f.name for f in found.functions if not f.current] == []
    assert {f.version for f in found.functions} <= set(ids)


def test_a_function_that_was_changed_or_dropped_is_not_current(migrated: str) -> None:
    execute(
        migrated,
        "CREATE OR REPLACE FUNCTION oeventdb.update_rating(rating text) RETURNS numeric"
        " LANGUAGE plpgsql AS 'BEGIN RETURN 5; END';"
        "DROP FUNCTION oeventdb.event_rating(bigint);",
    )
    stale = [f.name for f in status(migrated).functions if not f.current]
    assert stale == ["oeventdb.event_rating", "oeventdb.update_rating"]


def test_an_older_version_is_named_and_not_current(empty: str) -> None:
    schema.migrate(empty, to="0003")
    found = status(empty)
    assert found.pending[0].startswith("0004.")
    assert {f.version for f in found.functions} == {"0002.foundations", "0003.ratings"}


def test_an_interrupted_migration_is_pending(migrated: str) -> None:
    last = schema.load()[-1].id
    execute(
        migrated,
        f"UPDATE oeventdb_internal.ledger SET finished_at = NULL WHERE id = '{last}'",
    )
    found = status(migrated)
    assert found.pending == [last]
    assert found.migrations[-1].applied_at is None


def test_an_edited_migration_is_refused(migrated: str) -> None:
    execute(migrated, "UPDATE oeventdb_internal.ledger SET hash = 'x' WHERE id LIKE '0002%'")
    with pytest.raises(Refused, match=r"0002\.foundations was edited"):
        status(migrated)


def test_a_database_of_others_is_refused(empty: str) -> None:
    execute(empty, "CREATE TABLE public.blog (id int)")
    with pytest.raises(Refused, match="is not ours"):
        status(empty)


def test_the_command_exits_3_while_something_is_pending(legacy: str) -> None:
    result = run("status", "--json", "--dsn", legacy)
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert [m["id"] for m in found["migrations"]] == ["0001.legacy-tables"]
    assert found["migrations"][0]["applied_at"]
    assert found["pending"][0] == "0002.foundations"


def test_the_command_lists_functions_with_version_and_currency(migrated: str) -> None:
    result = run("status", "--json", "--dsn", migrated)
    assert result.exit_code == 0
    functions = {f["name"]: f for f in json.loads(result.stdout)["functions"]}
    assert functions["oeventdb.update_rating"]["version"] == "0003.ratings"
    assert functions["oeventdb.update_rating"]["current"] is True
    plain = run("status", "--dsn", migrated)
    assert plain.exit_code == 0
    assert "0001.legacy-tables" in plain.stdout
    assert "0 pending" in plain.stderr


def test_migrating_by_command_and_back(empty: str) -> None:
    dry = run("migrate", "--dry-run", "--json", "--to", "0002", "--dsn", empty)
    assert json.loads(dry.stdout) == {
        "applied": [],
        "would_run": ["0001.legacy-tables", "0002.foundations"],
    }
    done = run("migrate", "--json", "--to", "0002", "--dsn", empty)
    assert json.loads(done.stdout) == {"applied": ["0001.legacy-tables", "0002.foundations"]}
    again = run("migrate", "--to", "0002", "--dsn", empty)
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "nothing to apply\n")
    undone = run("rollback", "--dsn", empty)
    assert undone.stdout == "rolled back 0002.foundations\n"
    assert run("rollback", "--json", "--dsn", empty).exit_code == 0


def test_what_was_done_before_a_failure_is_printed(empty: str) -> None:
    run("migrate", "--to", "0001", "--dsn", empty)
    execute(empty, "CREATE VIEW ratings AS SELECT rating FROM feedback")
    forth = run("migrate", "--dsn", empty)
    assert (forth.exit_code, forth.stdout) == (1, "applied 0002.foundations\n")
    assert forth.stderr.startswith("failed: 0003.ratings, statement 1 of ")
    assert run("migrate", "--dsn", empty).stdout == ""
    execute(empty, "DROP VIEW ratings")
    run("migrate", "--to", "0003", "--dsn", empty)
    execute(empty, "CREATE TABLE oeventdb.own ()")
    back = run("rollback", "--to", "0001", "--json", "--dsn", empty)
    assert (back.exit_code, json.loads(back.stdout)) == (1, {"rolled_back": ["0003.ratings"]})


def test_a_dry_run_says_what_each_migration_is_for(empty: str) -> None:
    result = run("migrate", "--dry-run", "--dsn", empty)
    assert result.exit_code == 0
    assert result.stdout.startswith("0001.legacy-tables  ")
    assert "nothing was written" in result.stderr
    verbose = run("migrate", "--dry-run", "-v", "--to", "0001", "--dsn", empty)
    assert "CREATE TABLE public.ticket_holders" in verbose.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("migrate", "--to", "0099"), 1, "refused: there is no migration '0099'"),
        (("rollback", "--to", "9"), 1, "refused: there is no migration '9'"),
        (("migrate", "--patience", "-1"), 2, "usage: "),
        (("check",), 1, "refused: database "),
        (("adopt",), 1, "refused: database "),
        (("grant", "app", "nobody"), 1, "refused: database "),
    ],
)
def test_what_cannot_be_done_is_one_line(
    empty: str, arguments: tuple[str, ...], code: int, line: str
) -> None:
    result = run(*arguments, "--dsn", empty)
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert line in result.stderr
