"""An order after it was placed: paying it before it expires, or giving it back.

Whoever knows an order's identifier, a random UUID, may see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from flask import Blueprint, abort, redirect, render_template, request, url_for
from psycopg.rows import class_row
from werkzeug.wrappers import Response

from examples.shop.accounts import session_user
from oeventdb import Client
from oeventdb.flask import Policy
from oeventdb.flask.routes import Connect

_ORDER = """
SELECT o.identifier, o.status, o.amount::numeric AS amount, coalesce(o.currency, 'USD') AS currency,
       o.email, o.expires_at, e.name AS event_name, e.identifier AS event_identifier
FROM public.orders AS o
JOIN public.events AS e ON e.id = o.event_id
WHERE o.identifier = %(identifier)s::text
"""

_LINES = """
SELECT t.name, l.quantity, (l.quantity * (l.price - l.discount))::numeric AS amount
FROM public.orders AS o
JOIN public.orders_tickets AS l ON l.order_id = o.id
JOIN public.tickets AS t ON t.id = l.ticket_id
WHERE o.identifier = %(identifier)s::text
ORDER BY t.position, t.id
"""


@dataclass(frozen=True)
class PlacedOrder:
    """An order and the event that it is for."""

    identifier: str
    status: str
    amount: Decimal
    currency: str
    email: str | None
    expires_at: datetime | None
    event_name: str
    event_identifier: str


@dataclass(frozen=True)
class Line:
    """So many seats of one ticket, and what they cost together."""

    name: str
    quantity: int
    amount: Decimal


def pages(connect: Connect, policy: Policy) -> Blueprint:
    """The pages of an order."""
    made = Blueprint("orders", __name__)

    @made.get("/orders/<identifier>")
    def show(identifier: str) -> str:
        with connect() as connection:
            order = _order(connection, identifier)
            lines = _lines(connection, identifier)
        return render_template("order.html", order=order, lines=lines)

    @made.post("/orders/<identifier>/pay")
    def pay(identifier: str) -> Response:
        """Stands for what a payment provider would call."""
        policy.require_user(session_user(request))
        with connect() as connection:
            Client(connection).complete_order(order_identifier=identifier, payment_reference="example")
        return redirect(url_for("orders.show", identifier=identifier))

    @made.post("/orders/<identifier>/cancel")
    def cancel(identifier: str) -> Response:
        policy.require_user(session_user(request))
        with connect() as connection:
            Client(connection).cancel_order(order_identifier=identifier, note="by the buyer")
        return redirect(url_for("orders.show", identifier=identifier))

    return made


def _order(connection: psycopg.Connection[Any], identifier: str) -> PlacedOrder:
    with psycopg.Cursor(connection, row_factory=class_row(PlacedOrder)) as cursor:
        order = cursor.execute(_ORDER, {"identifier": identifier}).fetchone()
    return order or abort(404, "There is no such order.")


def _lines(connection: psycopg.Connection[Any], identifier: str) -> list[Line]:
    with psycopg.Cursor(connection, row_factory=class_row(Line)) as cursor:
        return cursor.execute(_LINES, {"identifier": identifier}).fetchall()
