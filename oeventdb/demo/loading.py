"""Puts rows, kept as dictionaries, into tables of the legacy shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
from psycopg import sql

Row = Mapping[str, Any]
Tables = Mapping[str, list[dict[str, Any]]]

LOADING_ORDER = (
    "users",
    "roles",
    "events",
    "users_events_roles",
    "discount_codes",
    "tickets",
    "orders",
    "orders_tickets",
    "ticket_holders",
    "access_codes",
    "access_codes_tickets",
    "ticket_tag",
    "association",
    "feedback",
)
"""The legacy tables, each after those that its foreign keys point to."""


def copy_rows(connection: psycopg.Connection[Any], table: str, rows: Iterable[Row]) -> int:
    """Copy rows with the same keys into a table of schema ``public``; returns how many."""
    iterator = iter(rows)
    first = next(iterator, None)
    if first is None:
        return 0
    columns = list(first)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier("public", table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    count = 1
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write_row([first[column] for column in columns])
        for row in iterator:
            copy.write_row([row[column] for column in columns])
            count += 1
    return count


def load(connection: psycopg.Connection[Any], tables: Tables) -> dict[str, int]:
    """Load legacy tables in the caller's transaction; returns the number of rows of each.

    Events and the discount codes for whole events point at each other, so the events' codes are set last.
    """
    counts: dict[str, int] = {}
    for table in LOADING_ORDER:
        rows: Iterable[Row] = tables.get(table, [])
        if table == "events":
            rows = ({**row, "discount_code_id": None} for row in rows)
        counts[table] = copy_rows(connection, table, rows)
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE public.events SET discount_code_id = %s WHERE id = %s",
            [
                (event["discount_code_id"], event["id"])
                for event in tables.get("events", [])
                if event["discount_code_id"] is not None
            ],
        )
    advance_sequences(connection, counts)
    return counts


def advance_sequences(connection: psycopg.Connection[Any], tables: Iterable[str]) -> None:
    """Let the next id of each table be greater than those that are there."""
    for table in tables:
        found = connection.execute(
            "SELECT pg_get_serial_sequence(a.attrelid::regclass::text, a.attname)"
            " FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attname = 'id'",
            [f"public.{table}"],
        ).fetchone()
        if found is not None and found[0] is not None:
            connection.execute(
                sql.SQL("SELECT setval(%s::regclass, greatest((SELECT max(id) FROM {}), 1))").format(
                    sql.Identifier("public", table)
                ),
                [found[0]],
            )
