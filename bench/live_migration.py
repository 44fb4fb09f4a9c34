"""Migrating a database that sells tickets: how long its clients wait, and how long it takes.

Clients run small transactions of the legacy application all the while. Each migration is set
beside the plain way to do the same: one UPDATE, then ALTER TABLE, in a transaction.
"""

from __future__ import annotations

import argparse
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from bench import _plain
from bench._scratch import database, server
from oeventdb import schema

_CLIENTS = 8
_MIGRATIONS = ("0003", "0004", "0005", "0006", "0009", "0010")


class Client(threading.Thread):
    """One client; the waits are the longest seconds of each kind of statement since the last reset."""

    def __init__(self, dsn: str, rows: int) -> None:
        super().__init__(daemon=True)
        self._dsn = dsn
        self._feedback, self._holders, self._tickets = rows, rows * 2 // 5, max(rows // 250, 10)
        self.stop = False
        self.waits: dict[str, float] = {}
        self.done = 0
        self.errors: dict[str, int] = {}

    def run(self) -> None:
        """Run statements of every kind in turn."""
        statements = self._statements()
        with psycopg.connect(self._dsn, autocommit=True, prepare_threshold=None) as connection:
            while not self.stop:
                kind, statement, arguments = random.choice(statements)
                started = time.perf_counter()
                try:
                    connection.execute(statement.encode(), [argument() for argument in arguments])
                except psycopg.Error as error:
                    why = f"{kind}: {error.sqlstate} {error.diag.constraint_name or ''}".strip()
                    self.errors[why] = self.errors.get(why, 0) + 1
                seconds = time.perf_counter() - started
                self.waits[kind] = max(self.waits.get(kind, 0), seconds)
                self.done += 1
                time.sleep(0.005)

    def _statements(self) -> list[tuple[str, str, list[Callable[[], object]]]]:
        def upto(count: int) -> Callable[[], int]:
            return lambda: random.randint(1, count)

        feedback, holder, ticket = upto(self._feedback), upto(self._holders), upto(self._tickets)
        order, code, event = upto(self._holders // 3), upto(self._tickets), upto(self._tickets // 4)
        return [
            ("read feedback", "SELECT rating, comment FROM feedback WHERE id = %s", [feedback]),
            ("write feedback", "UPDATE feedback SET comment = 'changed' WHERE id = %s", [feedback]),
            ("rate again", "UPDATE feedback SET rating = '4.5' WHERE id = %s", [feedback]),
            (
                "rate",
                "INSERT INTO feedback (rating, comment, user_id, event_id) VALUES ('4', 'new', NULL, %s)",
                [event],
            ),
            ("read holder", "SELECT * FROM ticket_holders WHERE id = %s", [holder]),
            ("check in", "UPDATE ticket_holders SET is_checked_in = true WHERE id = %s", [holder]),
            (
                "add holder",
                "INSERT INTO ticket_holders (firstname, lastname, ticket_id) VALUES ('New', 'One', %s)",
                [ticket],
            ),
            ("delete holder", "DELETE FROM ticket_holders WHERE id = %s", [holder]),
            ("read ticket", "SELECT * FROM tickets WHERE id = %s", [ticket]),
            ("write ticket", "UPDATE tickets SET description = 'changed' WHERE id = %s", [ticket]),
            ("add quantity", "UPDATE tickets SET quantity = quantity + 1 WHERE id = %s", [ticket]),
            ("pay order", "UPDATE orders SET status = 'completed' WHERE id = %s", [order]),
            ("read code", "SELECT code, value FROM discount_codes WHERE id = %s", [code]),
            ("write code", "UPDATE discount_codes SET is_active = true WHERE id = %s", [code]),
        ]


@contextmanager
def _clients(dsn: str, rows: int) -> Iterator[list[Client]]:
    clients = [Client(dsn, rows) for _ in range(_CLIENTS)]
    for client in clients:
        client.start()
    try:
        time.sleep(2)
        yield clients
    finally:
        for client in clients:
            client.stop = True
        for client in clients:
            client.join()


def _measured(clients: list[Client], run: Callable[[], object]) -> tuple[float, float, str]:
    """Return the seconds that run took, and the longest wait of a client meanwhile, and for what."""
    for client in clients:
        client.waits.clear()
    started = time.perf_counter()
    run()
    seconds = time.perf_counter() - started
    # whoever still waits must be heard
    time.sleep(0.2)
    waits = [(wait, kind) for client in clients for kind, wait in client.waits.items()]
    longest, kind = max(waits)
    return seconds, longest, kind


def _plain_way(dsn: str, migration: str) -> None:
    with psycopg.connect(dsn) as connection:
        for statement in _plain.WAYS[migration]:
            connection.execute(statement.encode())


def main(arguments: list[str] | None = None) -> None:
    """Print, for each migration, both ways' seconds and the longest wait of the clients."""
    parser = argparse.ArgumentParser(prog="python -m bench live_migration", description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000, help="of feedback; two fifths as many holders")
    parser.add_argument("--dsn", default=os.environ.get("OEVENTDB_TEST_DSN"))
    options = parser.parse_args(arguments)
    with server(options.dsn) as dsn, database(dsn) as legacy:
        schema.migrate(legacy, to="0002")
        with psycopg.connect(legacy, autocommit=True) as connection:
            for statement in _plain.FILL:
                psycopg.ClientCursor(connection).execute(statement, {"rows": options.rows})
        plain = _run(dsn, legacy, options.rows, _plain_way)
        ours = _run(dsn, legacy, options.rows, lambda copy, migration: schema.migrate(copy, to=migration))
    _report(plain, ours)


def _run(
    dsn: str, legacy: str, rows: int, way: Callable[[str, str], object]
) -> dict[str, tuple[float, float, str]]:
    measured: dict[str, tuple[float, float, str]] = {}
    with database(dsn, legacy) as copy, _clients(copy, rows) as clients:
        measured["nothing"] = _measured(clients, lambda: time.sleep(5))
        for migration in _MIGRATIONS:
            measured[migration] = _measured(clients, lambda: way(copy, migration))  # noqa: B023
            print(f"{migration}: {measured[migration]}", flush=True)
        done = sum(client.done for client in clients)
        refused = Counter[str]()
        for client in clients:
            refused.update(client.errors)
        print(f"the clients ran {done} statements; refused: {dict(refused)}", flush=True)
    return measured


def _report(plain: dict[str, tuple[float, float, str]], ours: dict[str, tuple[float, float, str]]) -> None:
    print(
        "longest wait of a client, seconds:   plain way    migration        seconds: plain way    migration"
    )
    for name in ("nothing", *_MIGRATIONS):
        print(
            f"{name:36} {plain[name][1]:9.2f}    {ours[name][1]:9.2f} {ours[name][2]:16}"
            f" {plain[name][0]:9.1f}    {ours[name][0]:9.1f}"
        )
    ways = [sum(way[name][0] for name in _MIGRATIONS) for way in (plain, ours)]
    longest = max(ours[name][1] for name in _MIGRATIONS)
    print(f"longest wait of a client during the migrations {longest:.2f} s   (below 1 s)")
    print(f"migrations : plain way {ways[1] / ways[0]:.1f} times as long   (at most 4)")


if __name__ == "__main__":
    main()
