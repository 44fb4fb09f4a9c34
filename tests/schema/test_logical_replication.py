"""A database that sells is moved to another by logical replication, as docs/how-to/deploy.md says."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from oeventdb import schema
from oeventdb.servers.local_postgres import LocalPostgres
from tests import samples
from tests.legacy import digest
from tests.procedures import invariants
from tests.waiting import until

PATIENCE = 60
LATER = re.compile(" CHECK CONSTRAINT | TRIGGER public events search_")
SCHEMAS = ("public", "oeventdb_internal")
PLACE = "SELECT identifier FROM oeventdb.place_order(%s, %s::jsonb, 'a@example.org')"
# in one cluster, making the slot would wait for the transaction that makes the subscription
SUBSCRIBE = (
    "CREATE SUBSCRIPTION move CONNECTION '{}' PUBLICATION move WITH (create_slot = false, slot_name = 'move')"
)


@pytest.fixture
def server(own_server: Callable[..., LocalPostgres]) -> LocalPostgres:
    """Return a server that replicates logically."""
    return own_server(wal_level="logical")


def execute(dsn: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


class Buyer(threading.Thread):
    """Buys and gives back, until told to stop."""

    def __init__(self, dsn: str, event: int, ticket: int) -> None:
        super().__init__()
        self._dsn, self._event, self._ticket = dsn, event, ticket
        self.stop = threading.Event()
        self.orders: list[str] = []

    def run(self) -> None:
        lines = json.dumps([{"ticket_id": self._ticket, "quantity": 2}])
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self.stop.is_set():
                row = connection.execute(PLACE, [self._event, lines]).fetchone()
                assert row
                self.orders.append(row[0])
                if len(self.orders) % 3 == 0:
                    connection.execute("SELECT oeventdb.cancel_order(%s)", row)


def wait_until(dsn: str, condition: str) -> None:
    until(lambda: execute(dsn, f"SELECT {condition}") == [(True,)], seconds=PATIENCE)


def digests(dsn: str) -> dict[str, dict[str, str]]:
    with psycopg.connect(dsn) as connection:
        tables = "SELECT array_agg(tablename::text) FROM pg_tables WHERE schemaname = %s"
        return {
            name: digest.rows(connection, row[0], name)
            for name in SCHEMAS
            if (row := connection.execute(tables, [name]).fetchone())
        }


def test_everything_arrives_and_holds(server: LocalPostgres, tmp_path: Path) -> None:
    def program(name: str, *arguments: object) -> str:
        command = [str(server.bindir / name), *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    for name in ("old", "new"):
        execute(server.conninfo(), f"CREATE DATABASE {name}")
    old, new = server.conninfo("old"), server.conninfo("new")
    schema.migrate(old, to="0001")
    with psycopg.connect(old) as connection:
        event = samples.event(connection)
        ticket = samples.ticket(connection, event, quantity=1000)
        samples.discount_code(connection, event, type="percent", value=150)
    schema.migrate(old)
    buyer = Buyer(old, event, ticket)
    buyer.start()

    whole, first, later = tmp_path / "schema", tmp_path / "first", tmp_path / "later"
    program("pg_dump", "--schema-only", "--format=custom", "--no-publications", f"--file={whole}", old)
    entries = program("pg_restore", "--list", whole).splitlines(keepends=True)
    for path, is_later in ((first, False), (later, True)):
        path.write_text("".join(line for line in entries if bool(LATER.search(line)) is is_later))
    program("pg_restore", "--exit-on-error", f"--use-list={first}", f"--dbname={new}", whole)
    execute(old, "CREATE PUBLICATION move FOR ALL TABLES")
    execute(old, "SELECT pg_create_logical_replication_slot('move', 'pgoutput')")
    execute(new, SUBSCRIBE.format(old))
    wait_until(new, "bool_and(srsubstate = 'r') FROM pg_subscription_rel")
    buyer.stop.set()
    buyer.join()
    (end,) = execute(old, "SELECT pg_current_wal_lsn()")[0]
    wait_until(old, f"confirmed_flush_lsn >= '{end}' FROM pg_replication_slots WHERE slot_name = 'move'")
    execute(new, "DROP SUBSCRIPTION move")
    program("pg_restore", "--exit-on-error", f"--use-list={later}", f"--dbname={new}", whole)

    assert buyer.orders
    assert digests(new) == digests(old)
    with schema.connect(new, autocommit=True) as connection:
        assert schema.check(connection) == []
        assert {result.rule for result in schema.audit(connection) if result.violations} == {
            "discount_code_value"
        }
    execute(
        new,
        "SELECT setval(pg_get_serial_sequence(t, 'id'), 1000000) FROM unnest(ARRAY['orders', 'ticket_holders']) AS t",
    )
    lines = json.dumps([{"ticket_id": ticket, "quantity": 10}])
    with psycopg.connect(new, autocommit=True) as connection:
        connection.execute(PLACE, [event, lines])
        assert invariants.broken(connection) == []
