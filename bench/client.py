"""Calls through the Python client against the bare psycopg call of the same function.

The bare call is ``connection.execute("SELECT * FROM oeventdb.f(...)")`` and a fetch of tuples. Both
take turns on one connection, in small rounds; the median of the rounds' ratios is printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import psycopg

from bench._scratch import database, server
from oeventdb import Client, schema

_FILL = """
INSERT INTO public.events (id, name, starts_at, ends_at, timezone, state)
SELECT g, 'Event', now(), now(), 'UTC', 'published' FROM generate_series(1, 3) AS g;
INSERT INTO public.users (id, _email, _password) VALUES (1, 'ada@example.org', 'x');
INSERT INTO public.tickets (event_id, name, type, price, quantity, position, sales_starts_at, sales_ends_at)
SELECT CASE WHEN g <= 5 THEN 1 ELSE 2 END, 'Ticket ' || g, 'paid', 12.5, 10, g, now(), now()
FROM generate_series(1, 105) AS g;
INSERT INTO public.discount_codes (id, event_id, code, type, value, used_for)
VALUES (1, 1, 'TENOFF', 'percent', 10, 'ticket');
UPDATE public.tickets SET discount_code_id = 1 WHERE event_id = 1;
ANALYZE
"""


def main(arguments: list[str] | None = None) -> None:
    """Print microseconds and the ratio of each kind of call."""
    parser = argparse.ArgumentParser(prog="python -m bench client", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=100, help="calls in a round")
    parser.add_argument("--dsn", default=os.environ.get("OEVENTDB_TEST_DSN"))
    options = parser.parse_args(arguments)
    with server(options.dsn) as server_dsn, database(server_dsn) as dsn:
        schema.migrate(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            psycopg.ClientCursor(connection).execute(_FILL)
            for name, bare, ours in _rivals(connection):
                _compare(name, bare, ours, options.rounds, options.calls)


def _rivals(
    connection: psycopg.Connection[Any],
) -> list[tuple[str, Callable[[], Any], Callable[[], Any]]]:
    client = Client(connection)

    def bare(query: str, **parameters: Any) -> Callable[[], Any]:
        return lambda: connection.execute(query.encode(), parameters).fetchall()

    rating = {"event_id": 1, "user_id": 1, "rating": "4.5", "comment": "fine"}
    return [
        (
            "update_rating, a value",
            bare("SELECT oeventdb.update_rating(rating => %(rating)s)", rating="4.3"),
            lambda: client.update_rating(rating="4.3"),
        ),
        (
            "event_rating, one row",
            bare("SELECT * FROM oeventdb.event_rating(event_id => %(event_id)s)", event_id=1),
            lambda: client.event_rating(event_id=1),
        ),
        (
            "submit_feedback, one row written",
            bare(
                "SELECT * FROM oeventdb.submit_feedback(event_id => %(event_id)s, user_id => %(user_id)s,"
                " rating => %(rating)s, comment => %(comment)s)",
                **rating,
            ),
            lambda: client.submit_feedback(event_id=1, user_id=1, rating="4.5", comment="fine"),
        ),
        (
            "discount_code_tickets, 5 rows",
            bare("SELECT * FROM oeventdb.discount_code_tickets(discount_code_id => %(id)s)", id=1),
            lambda: client.discount_code_tickets(discount_code_id=1),
        ),
        (
            "event_tickets, 100 rows",
            bare("SELECT * FROM oeventdb.event_tickets(event_id => %(event_id)s)", event_id=2),
            lambda: client.event_tickets(event_id=2),
        ),
    ]


def _compare(name: str, bare: Callable[[], Any], ours: Callable[[], Any], rounds: int, calls: int) -> None:
    times: dict[Callable[[], Any], list[float]] = {bare: [], ours: []}
    for _ in range(rounds):
        for call in (bare, ours):
            started = time.perf_counter()
            for _ in range(calls):
                call()
            times[call].append((time.perf_counter() - started) / calls * 1e6)
    ratio = statistics.median(o / b for b, o in zip(times[bare], times[ours], strict=True))
    print(
        f"{name}: bare {statistics.median(times[bare]):.0f} us, client {statistics.median(times[ours]):.0f} us,"
        f" ratio {ratio:.2f}   (at most 1.3)",
        flush=True,
    )


if __name__ == "__main__":
    main()
