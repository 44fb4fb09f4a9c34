"""Whoever may create in public has none of it run by a command, whatever the search_path of the role."""

from __future__ import annotations

import psycopg
import pytest

from oeventdb import schema
from oeventdb.cli import main
from oeventdb.demo.loading import load
from tests import traps
from tests.cli.running import run
from tests.legacy.generator import Size, generate
from tests.roles import Roles


@pytest.fixture
def trapped(legacy: str) -> str:
    """Return the DSN of a legacy database with dirty rows, where traps are found first."""
    with psycopg.connect(legacy) as connection:
        load(connection, generate(6, Size(events=15, holders=80, feedback=80)))
    traps.lay(legacy)
    return traps.amid(legacy)


def test_the_traps_are_found(trapped: str) -> None:
    for query in ("SELECT 1 = 1", "SELECT lower('A'::text)", "SELECT to_jsonb(t) FROM public.tickets AS t"):
        with psycopg.connect(trapped) as connection, pytest.raises(psycopg.Error) as caught:
            connection.execute(query)
        assert caught.value.sqlstate == traps.SQLSTATE


def test_no_command_runs_what_others_have_put_into_public(trapped: str, roles: Roles) -> None:
    def succeeds(*arguments: str, status: int = 0) -> str:
        result = run(main, *arguments, "--dsn", trapped)
        assert result.exit_code == status, result.stderr
        return str(result.stdout)

    succeeds("audit", status=3)
    succeeds("migrate", "--to", "0009")
    succeeds("audit", status=3)
    succeeds("status", status=3)
    succeeds("migrate")
    succeeds("check")
    succeeds("quarantine", "list", "--table", "feedback")
    succeeds("quarantine", "show", "1")
    with schema.connect(trapped) as connection:
        connection.execute("SET LOCAL search_path = pg_catalog")
        ids = connection.execute(
            "SELECT min(id) FROM oeventdb_internal.journal WHERE table_name <> 'feedback' GROUP BY table_name, reason"
        ).fetchall()
    for (entry,) in ids:
        succeeds("quarantine", "show", str(entry))
    succeeds("expire-orders")
    for kind in ("app", "reader", "search"):
        succeeds("grant", kind, roles.create(kind))
    succeeds("reindex", "--to-file", "-")
    succeeds("rollback", "--to", "0001")
