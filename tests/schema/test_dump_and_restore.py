"""A backup that is restored keeps its rules, and is what the release installs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import SoldOut, schema, translated
from oeventdb.schema.audit import audit
from tests import samples
from tests.legacy import digest
from tests.procedures import invariants

if TYPE_CHECKING:
    from oeventdb.servers.postgres import Postgres

INTERNAL = (
    "admissions",
    "free_admissions",
    "admission_ranges",
    "journal",
    "order_history",
    "search_versions",
)
LINES = '[{{"ticket_id": {}, "quantity": 2}}]'


def program(postgres: Postgres, name: str) -> str:
    found = str(postgres.local.bindir / name) if postgres.local else shutil.which(name)
    assert found, f"{name} is needed: install the PostgreSQL client programs"
    return found


@pytest.fixture
def restored(postgres: Postgres, migrated: str, empty: str, tmp_path: Path) -> tuple[str, int]:
    """The DSN of a restored copy of a database that sells, and its ticket with two seats left."""
    with psycopg.connect(migrated, autocommit=True) as connection:
        event = samples.event(connection)
        ticket = samples.ticket(connection, event, quantity=4)
        place = "SELECT identifier FROM oeventdb.place_order(%s, %s, 'a@example.org')"
        sold = [connection.execute(place, [event, LINES.format(ticket)]).fetchone() for _ in range(2)]
        assert sold[0]
        connection.execute("SELECT oeventdb.cancel_order(%s)", sold[0])
    dump = tmp_path / "backup"
    subprocess.run([program(postgres, "pg_dump"), "--format=custom", f"--file={dump}", migrated], check=True)
    restore = [program(postgres, "pg_restore"), "--exit-on-error", f"--dbname={empty}", str(dump)]
    subprocess.run(restore, check=True)
    with psycopg.connect(migrated) as before, psycopg.connect(empty) as after:
        for name, tables in (("public", ("orders", "ticket_holders")), ("oeventdb_internal", INTERNAL)):
            assert digest.rows(before, tables, name) == digest.rows(after, tables, name)
    return empty, ticket


def test_nothing_differs_from_the_release(restored: tuple[str, int]) -> None:
    with schema.connect(restored[0]) as connection:
        assert schema.check(connection) == []
    with schema.connect(restored[0]) as connection:
        assert [result.rule for result in audit(connection) if result.violations] == []


def test_the_rules_hold(restored: tuple[str, int]) -> None:
    dsn, ticket = restored
    with psycopg.connect(dsn, autocommit=True) as connection:
        event = connection.execute("SELECT event_id FROM tickets WHERE id = %s", [ticket]).fetchone()
        assert event
        place = "SELECT FROM oeventdb.place_order(%s, %s, 'b@example.org')"
        connection.execute(place, [*event, LINES.format(ticket)])
        with pytest.raises(SoldOut), translated():
            connection.execute(place, [*event, LINES.format(ticket)])
        assert invariants.broken(connection) == []


def test_it_can_still_be_rolled_back(restored: tuple[str, int]) -> None:
    assert schema.rollback(restored[0], to="0001")[-1] == "0002.foundations"


def test_no_rule_is_changed_by_what_unifies_line_ends(postgres: Postgres, migrated: str) -> None:
    dump = subprocess.run(
        [program(postgres, "pg_dump"), "--schema-only", migrated], check=True, capture_output=True
    ).stdout
    assert b"discount_codes_code" in dump
    assert b"\r" not in dump


def test_on_a_younger_server_nothing_of_before_looks_as_if_it_were_still_to_come(
    restored: tuple[str, int],
) -> None:
    changes = "SELECT event_id FROM oeventdb_internal.search_changes(%s::text::pg_snapshot, 0, 10)"
    with psycopg.connect(restored[0], autocommit=True) as connection:
        # its transactions are counted from the beginning again, and those of the backup are far ahead
        connection.execute("UPDATE oeventdb_internal.search_versions SET changed_by = '9000000000'")
        waiting = connection.execute("SELECT event_id FROM oeventdb_internal.search_outbox").fetchall()
        position = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
        assert len(waiting) == 1
        assert connection.execute(changes, position).fetchall() == []
        connection.execute("UPDATE events SET name = 'Changed since' WHERE id = %s", waiting[0])
        assert connection.execute(changes, position).fetchall() == waiting
        settle = "SELECT oeventdb_internal.search_settle(%s::text::pg_snapshot, 'events')"
        assert connection.execute(settle, position).fetchone() == (0,)
        connection.execute("UPDATE oeventdb_internal.search_versions SET changed_by = '9000000000'")
        assert connection.execute(settle, position).fetchone() == (1,)
