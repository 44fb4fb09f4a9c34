"""`discount_code_tickets`, called by a role that may do nothing else, against the bare SELECT by the owner.

Both prepared, on one connection each, in turn; a tenth of the codes asked for do not exist, which
the function tells by an error and the SELECT by no rows.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
import uuid

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.types.numeric import Int8

from bench._scratch import database, server
from oeventdb import schema

_FILL = """
INSERT INTO events (name, starts_at, ends_at, timezone, state)
SELECT 'Event ' || g, now(), now() + interval '1 day', 'UTC', 'published' FROM generate_series(1, 2000) AS g;
INSERT INTO discount_codes (code, type, value, used_for, event_id)
SELECT 'code ' || g, 'percent', 10, 'ticket', 1 + g % 2000 FROM generate_series(1, 10000) AS g;
INSERT INTO tickets (name, type, quantity, price, position, sales_starts_at, sales_ends_at, event_id, discount_code_id)
SELECT 'Ticket ' || c.id || ' ' || g, 'paid', 1, 10, g % 5, now(), now() + interval '1 day', c.event_id, c.id
FROM discount_codes AS c CROSS JOIN generate_series(1, 3) AS g;
"""

_COLUMNS = (
    "id, event_id, name, description, type, quantity, price, position, min_order, max_order,"
    " sales_starts_at, sales_ends_at, is_hidden, discount_code_id"
)
_SELECT = (
    f"SELECT {_COLUMNS} FROM tickets WHERE discount_code_id = %s AND deleted_at IS NULL ORDER BY position, id"
)
_CALL = "SELECT * FROM oeventdb.discount_code_tickets(discount_code_id => %s)"


def main(arguments: list[str] | None = None) -> None:
    """Print the time of one call of each, and the ratio."""
    parser = argparse.ArgumentParser(prog="python -m bench calls", description=__doc__)
    parser.add_argument("--calls", type=int, default=5_000, help="of each, in every round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--dsn", default=os.environ.get("OEVENTDB_TEST_DSN"))
    options = parser.parse_args(arguments)
    role = f"oeventdb_bench_{uuid.uuid4().hex[:8]}"
    with server(options.dsn) as server_dsn, database(server_dsn) as dsn:
        schema.migrate(dsn)
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute(_FILL.encode())
            owner.execute("VACUUM ANALYZE")
            owner.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
            try:
                schema.grant(owner, "app", role)
                _compare(owner, make_conninfo(dsn, user=role), options.calls, options.rounds)
            finally:
                owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
                owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def _compare(owner: psycopg.Connection, app_dsn: str, calls: int, rounds: int) -> None:
    known, mixed = [], []
    with psycopg.connect(app_dsn, autocommit=True) as app:
        for connection in (owner, app):
            connection.prepare_threshold = 0
        for number in range(rounds + 1):
            codes = [random.randint(1, 10_000) for _ in range(calls)]
            some_unknown = [code if i % 10 else code + 1_000_000 for i, code in enumerate(codes)]
            bare, called = _seconds(owner, app, codes)
            bare_mixed, called_mixed = _seconds(owner, app, some_unknown)
            if number:
                known.append(called / bare)
                mixed.append(called_mixed / bare_mixed)
        print(f"one bare SELECT {bare / calls * 1000:.3f} ms, one call {called / calls * 1000:.3f} ms")
    print(f"discount_code_tickets : bare SELECT, known codes only         {statistics.median(known):.2f}")
    print(
        f"discount_code_tickets : bare SELECT, a tenth of them unknown  {statistics.median(mixed):.2f}   (at most 1.8)"
    )


def _seconds(owner: psycopg.Connection, app: psycopg.Connection, codes: list[int]) -> tuple[float, float]:
    """Return the seconds of the SELECTs and of the calls.

    They take turns, so that the machine's moods meet both: among them, on which core a server
    process is woken, which alone makes a factor of two.
    """
    bare = called = 0.0
    for code in codes:
        bare += _timed(owner, _SELECT, code)
        called += _timed(app, _CALL, code)
    return bare, called


def _timed(connection: psycopg.Connection, statement: str, code: int) -> float:
    query = statement.encode()
    # as bigint whatever its size: for each type psycopg prepares a statement of its own, and again after
    # each failure of one that has never succeeded
    started = time.perf_counter()
    try:
        connection.execute(query, (Int8(code),)).fetchall()
    except psycopg.DatabaseError as error:
        if error.sqlstate != "OE404":
            raise
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
