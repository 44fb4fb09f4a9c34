"""The legacy application works on while its database is migrated: it meets nothing but the rules, and loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from oeventdb import schema
from oeventdb.demo.loading import LOADING_ORDER
from tests.legacy import digest
from tests.migrations.live_clients import CLIENTS, Client, seed
from tests.procedures import invariants
from tests.waiting import until

ROWS = 3000
BEFORE_THE_TEXTS_GO = "0009"


@pytest.fixture
def busy(legacy: str) -> str:
    """Return the DSN of a legacy database with some thousand rows."""
    with psycopg.connect(legacy, autocommit=True) as connection:
        seed(connection, ROWS)
    return legacy


def wait_for(clients: list[Client]) -> None:
    """Wait until each client has gone on for a while."""
    upto = [client.done + 3 for client in clients]
    until(lambda: all(client.done >= done for client, done in zip(clients, upto, strict=True)), seconds=60)


@contextmanager
def at_work(clients: list[Client]) -> Iterator[None]:
    """Let the clients work during the block, and each for a while before and after."""
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    try:
        wait_for(clients)
        yield
        wait_for(clients)
    finally:
        clients[0].stop.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def migrated_live(busy: str) -> tuple[str, list[Client]]:
    """Return the DSN of a database that was migrated under load, and its clients."""
    names_ticket_texts, stop = threading.Event(), threading.Event()
    names_ticket_texts.set()
    clients = [Client(busy, number, ROWS, names_ticket_texts, stop) for number in range(CLIENTS)]
    with at_work(clients):
        schema.migrate(busy, to=BEFORE_THE_TEXTS_GO)
        names_ticket_texts.clear()
        wait_for(clients)
        schema.migrate(busy)
    return busy, clients


def test_clients_meet_nothing_but_the_rules_and_nothing_is_lost(
    migrated_live: tuple[str, list[Client]], migrated: str
) -> None:
    dsn, clients = migrated_live
    assert [failure for client in clients for failure in client.failures] == []
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert [fault for fault in invariants.broken(connection) if not _is_unheld(connection, fault)] == []
        for client in clients:
            _nothing_of_it_is_lost(connection, client)
        with psycopg.connect(migrated) as quiet:
            tables = [*LOADING_ORDER]
            assert digest.shape(connection, tables) == digest.shape(quiet, tables)
            assert _internal_objects(connection) == _internal_objects(quiet)


def _is_unheld(connection: psycopg.Connection, fault: Any) -> bool:
    """Whether the fault is the event of a holder without admission, whose ticket has moved since."""
    if fault[0] != "of another event":
        return False
    held = connection.execute("SELECT admission_no FROM ticket_holders WHERE id = %s", [fault[2]]).fetchone()
    return held == (None,)


def _nothing_of_it_is_lost(connection: psycopg.Connection, client: Client) -> None:
    holders = {row[0] for row in connection.execute("SELECT id FROM ticket_holders")}
    journaled = {
        int(row[0])
        for row in connection.execute(
            "SELECT key FROM oeventdb_internal.journal WHERE table_name = 'ticket_holders' AND reason LIKE '%removed'"
        )
    }
    assert client.holders - holders - journaled == set()
    stars: dict[int, Any] = dict(connection.execute("SELECT id, rating FROM feedback").fetchall())
    for feedback, rating in client.feedback.items():
        written = connection.execute("SELECT oeventdb.update_rating(%s)", [rating]).fetchone()
        assert written == (stars[feedback],), (feedback, rating)
    quantities: dict[int, Any] = dict(connection.execute("SELECT id, quantity FROM tickets").fetchall())
    assert client.quantities.items() <= quantities.items()
    statuses: dict[int, Any] = dict(connection.execute("SELECT id, status FROM orders").fetchall())
    assert client.statuses.items() <= statuses.items()


def _internal_objects(connection: psycopg.Connection) -> list[tuple[str, ...]]:
    return connection.execute(
        "SELECT 'relation', relname::text FROM pg_class WHERE relnamespace = 'oeventdb_internal'::regnamespace"
        " UNION ALL SELECT 'function', oid::regprocedure::text FROM pg_proc"
        " WHERE pronamespace IN ('oeventdb_internal'::regnamespace, 'oeventdb'::regnamespace)"
        " UNION ALL SELECT 'constraint', format('%s %s %s', conrelid::regclass, conname, convalidated) FROM pg_constraint"
        " WHERE connamespace IN ('oeventdb_internal'::regnamespace, 'public'::regnamespace)"
        " ORDER BY 1, 2"
    ).fetchall()
