"""Rows for tests, written as the legacy application would write them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

NOW = datetime.now(UTC).replace(microsecond=0)
_NUMBERS = itertools.count(1)


def insert(connection: psycopg.Connection[Any], table: str, **columns: Any) -> int:
    """Insert one row and return its id."""
    statement = sql.SQL("INSERT INTO public.{} ({}) VALUES ({}) RETURNING id").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(map(sql.Placeholder, columns)),
    )
    row = psycopg.Cursor(connection).execute(statement, columns).fetchone()
    assert row is not None
    return int(row[0])


def user(connection: psycopg.Connection[Any], **columns: Any) -> int:
    """A user; returns the id."""
    number = next(_NUMBERS)
    return insert(connection, "users", **{"_email": f"user{number}@example.org", "_password": "x", **columns})


def event(connection: psycopg.Connection[Any], **columns: Any) -> int:
    """A published event of next month; returns the id."""
    defaults = {
        "identifier": f"{next(_NUMBERS):08x}",
        "name": "PyCon",
        "starts_at": NOW + timedelta(days=30),
        "ends_at": NOW + timedelta(days=32),
        "timezone": "UTC",
        "state": "published",
        "privacy": "public",
    }
    return insert(connection, "events", **{**defaults, **columns})


def ticket(connection: psycopg.Connection[Any], event_id: int, **columns: Any) -> int:
    """A paid ticket on sale now, ten of it; returns the id."""
    defaults = {
        "event_id": event_id,
        "name": f"Ticket {next(_NUMBERS)}",
        "type": "paid",
        "price": 20,
        "quantity": 10,
        "position": 1,
        "min_order": 1,
        "max_order": 10,
        "is_hidden": False,
        "sales_starts_at": NOW - timedelta(days=1),
        "sales_ends_at": NOW + timedelta(days=29),
    }
    return insert(connection, "tickets", **{**defaults, **columns})


def discount_code(connection: psycopg.Connection[Any], event_id: int, **columns: Any) -> int:
    """An active code of kind 'ticket', 10 percent; returns the id."""
    defaults = {
        "event_id": event_id,
        "code": f"CODE{next(_NUMBERS)}",
        "type": "percent",
        "value": 10,
        "used_for": "ticket",
        "is_active": True,
        "min_quantity": 1,
    }
    return insert(connection, "discount_codes", **{**defaults, **columns})


def access_code(
    connection: psycopg.Connection[Any], event_id: int, ticket_ids: list[int], **columns: Any
) -> int:
    """An active access code over the tickets; returns the id."""
    defaults = {"event_id": event_id, "code": f"DOOR{next(_NUMBERS)}", "is_active": True}
    code = insert(connection, "access_codes", **{**defaults, **columns})
    for ticket_id in ticket_ids:
        connection.execute("INSERT INTO public.access_codes_tickets VALUES (%s, %s)", [code, ticket_id])
    return code
