"""The organizer's page: what was sold of each ticket, what came in, and the orders of two weeks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

import psycopg
from flask import Blueprint, render_template, request
from psycopg.rows import class_row

from examples.shop import events
from examples.shop.accounts import session_user
from oeventdb.flask import Policy
from oeventdb.flask.routes import Connect

R = TypeVar("R")

_BY_TICKET = """
SELECT t.name, t.quantity,
       coalesce(sum(l.quantity) FILTER (WHERE o.status = 'completed'), 0) AS sold,
       coalesce(sum(l.quantity) FILTER (WHERE o.status = 'pending'), 0) AS held,
       coalesce(sum(l.quantity * (l.price - l.discount)) FILTER (WHERE o.status = 'completed'), 0)::numeric
           AS revenue
FROM public.tickets AS t
LEFT JOIN public.orders_tickets AS l ON l.ticket_id = t.id
LEFT JOIN public.orders AS o ON o.id = l.order_id
WHERE t.event_id = %(event_id)s AND t.deleted_at IS NULL
GROUP BY t.id
ORDER BY t.position, t.id
"""

_BY_DAY = """
SELECT d.day::date AS day, count(o.id) AS orders
FROM generate_series(current_date - 13, current_date, '1 day') AS d (day)
LEFT JOIN public.orders AS o
    ON o.event_id = %(event_id)s AND o.status IN ('completed', 'pending')
    AND o.created_at >= d.day AND o.created_at < d.day + interval '1 day'
GROUP BY d.day
ORDER BY d.day
"""


@dataclass(frozen=True)
class TicketSales:
    """Of one ticket: seats paid for, seats held for buyers who have not paid yet, money."""

    name: str
    quantity: int | None
    sold: int
    held: int
    revenue: Decimal


@dataclass(frozen=True)
class Day:
    """The orders placed on a day that were not given back since."""

    day: date
    orders: int


def pages(connect: Connect, policy: Policy) -> Blueprint:
    """The page of an event's organizers."""
    made = Blueprint("sales", __name__)

    @made.get("/events/<identifier>/sales")
    def show(identifier: str) -> str:
        with connect() as connection:
            event = events.find(connection, identifier)
            policy.require_manager(connection, session_user(request), event.id)
            tickets = _rows(connection, TicketSales, _BY_TICKET, event.id)
            by_day = _rows(connection, Day, _BY_DAY, event.id)
        return render_template("sales.html", event=event, tickets=tickets, days=by_day, top=_top(by_day))

    return made


def _rows(connection: psycopg.Connection[Any], row: type[R], query: str, event_id: int) -> list[R]:
    with psycopg.Cursor(connection, row_factory=class_row(row)) as cursor:
        return cursor.execute(query.encode(), {"event_id": event_id}).fetchall()


def _top(by_day: list[Day]) -> int:
    """Where the chart's scale ends: an even number, so that its middle is one of orders, too."""
    most = max(day.orders for day in by_day)
    return max(4, most + most % 2)
