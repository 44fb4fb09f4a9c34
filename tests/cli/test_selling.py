"""expire-orders: everything overdue, in batches, and nothing else."""

from __future__ import annotations

import json
import re
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from oeventdb import Client
from oeventdb.cli import main
from tests import samples
from tests.cli.running import one_line, run


def _pending(dsn: str, overdue: int, held: int) -> None:
    """Orders of one seat each: some overdue, some still held."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        event = samples.event(connection)
        ticket = samples.ticket(connection, event, quantity=overdue + held)
        for _ in range(overdue + held):
            Client(connection).place_order(
                event_id=event, lines=[{"ticket_id": ticket, "quantity": 1}], email="ada@example.org"
            )
        connection.execute(
            "UPDATE orders SET expires_at = now() - interval '1 second'"
            " WHERE id IN (SELECT id FROM orders ORDER BY id LIMIT %s)",
            [overdue],
        )


def _count(dsn: str, status: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM orders WHERE status = %s", [status]).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("batch", ["1", "2", "5", "1000"])
def test_every_overdue_order_expires_and_the_number_is_told(migrated: str, batch: str) -> None:
    _pending(migrated, overdue=5, held=2)
    result = run(main, "expire-orders", "--dsn", migrated, "--batch", batch, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"expired": 5}
    assert (_count(migrated, "expired"), _count(migrated, "pending")) == (5, 2)


def test_the_number_is_for_people_too(migrated: str) -> None:
    _pending(migrated, overdue=1, held=0)
    assert one_line(run(main, "expire-orders", "--dsn", migrated)) == "1 order expired"
    assert one_line(run(main, "expire-orders", "--dsn", migrated)) == "0 orders expired"


@pytest.mark.parametrize("kind", ["empty", "legacy"])
def test_a_database_that_is_not_migrated_is_told_what_to_do(
    kind: str, request: pytest.FixtureRequest
) -> None:
    result = run(main, "expire-orders", "--dsn", request.getfixturevalue(kind))
    assert result.exit_code == 1
    assert one_line(result) == "refused: this database expires no orders yet (run `oeventdb migrate` first)"


def test_a_batch_of_nothing_is_a_usage_error() -> None:
    assert run(main, "expire-orders", "--batch", "0").exit_code == 2


def _set(dsn: str, setting: LiteralString) -> None:
    """Have every new session of a database begin with a setting."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET {}").format(name, sql.SQL(setting)))


def test_a_time_limit_of_the_role_is_told_with_the_way_around_it(
    migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pending(migrated, overdue=1, held=0)
    _set(migrated, "statement_timeout = 1")
    command = (main, "expire-orders", "--dsn", migrated)
    result = run(*command)
    assert result.exit_code == 1
    assert one_line(result).startswith("57014: ")
    (way,) = re.findall(r"PGOPTIONS='(.+?)'", one_line(result))
    monkeypatch.setenv("PGOPTIONS", way)
    assert one_line(run(*command)) == "1 order expired"


def test_a_server_that_takes_no_writes_is_told_with_where_to_connect(migrated: str) -> None:
    _set(migrated, "default_transaction_read_only = on")
    result = run(main, "expire-orders", "--dsn", migrated)
    assert result.exit_code == 1
    assert one_line(result).startswith("25006: ")
    assert one_line(result).endswith(
        "(connect to the primary server; default_transaction_read_only may be set for the role or the database)"
    )
