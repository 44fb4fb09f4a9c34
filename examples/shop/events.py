"""What visitors see: the events, one event with its tickets, and how many of them are left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from flask import Blueprint, Response, abort, jsonify, render_template, request
from psycopg.rows import class_row, scalar_row

from examples.shop.finder import Finder
from oeventdb import Client
from oeventdb.flask.routes import Connect
from oeventdb.rows import Ticket

_EVENTS = """
SELECT id, identifier, name, coalesce(searchable_location_name, 'Online') AS place, starts_at, ends_at,
       coalesce(payment_currency, 'USD') AS currency
FROM public.events
WHERE state = 'published' AND deleted_at IS NULL AND privacy = 'public'
"""
_COMING = f"{_EVENTS} AND ends_at > now() ORDER BY starts_at, id LIMIT 12"
_BY_IDENTIFIER = f"{_EVENTS} AND identifier = %(identifier)s::text ORDER BY id LIMIT 1"

_OPENED = """
SELECT c.ticket_id FROM public.access_codes AS a
JOIN public.access_codes_tickets AS c ON c.access_code_id = a.id
WHERE a.event_id = %(event_id)s AND lower(a.code) = lower(%(code)s::text) AND a.deleted_at IS NULL
"""


@dataclass(frozen=True)
class Event:
    """A published event."""

    id: int
    identifier: str
    name: str
    place: str
    starts_at: datetime
    ends_at: datetime
    currency: str


def pages(connect: Connect, finder: Finder) -> Blueprint:
    """The pages of the events."""
    made = Blueprint("events", __name__)

    @made.get("/")
    def home() -> str:
        with connect() as connection, _events(connection) as cursor:
            coming = cursor.execute(_COMING).fetchall()
        return render_template("home.html", events=coming, notice=finder.notice)

    @made.get("/events/<identifier>")
    def show(identifier: str) -> str:
        code = request.args.get("code", "").strip()
        with connect() as connection:
            event = find(connection, identifier)
            tickets = shown(connection, event, code)
            left = availability(connection, event, tickets)
        return render_template(
            "event.html", event=event, tickets=tickets, left=left, code=code, now=datetime.now(UTC)
        )

    @made.get("/events/<identifier>/availability")
    def how_many(identifier: str) -> Response:
        """What the page asks every second: how many are left, by ticket; null is any number."""
        with connect() as connection:
            event = find(connection, identifier)
            tickets = shown(connection, event, request.args.get("code", "").strip())
            return jsonify(availability(connection, event, tickets))

    return made


def find(connection: psycopg.Connection[Any], identifier: str) -> Event:
    """The published event of that identifier, or 404."""
    with _events(connection) as cursor:
        event = cursor.execute(_BY_IDENTIFIER, {"identifier": identifier}).fetchone()
    return event or abort(404, "There is no such event.")


def shown(connection: psycopg.Connection[Any], event: Event, code: str) -> list[Ticket]:
    """The tickets that anybody sees, and the hidden ones that the access code opens.

    Whether the code still sells them is not asked here: place_order decides that.
    """
    with psycopg.Cursor(connection, row_factory=scalar_row) as cursor:
        opened = set(cursor.execute(_OPENED, {"event_id": event.id, "code": code}))
    tickets = Client(connection).event_tickets(event_id=event.id)
    return [ticket for ticket in tickets if ticket.is_hidden is False or ticket.id in opened]


def availability(
    connection: psycopg.Connection[Any], event: Event, tickets: list[Ticket]
) -> dict[int, int | None]:
    """How many of these tickets are left; None for any number."""
    wanted = {ticket.id for ticket in tickets}
    rows = Client(connection).ticket_availability(event_id=event.id)
    return {row.ticket_id: row.available for row in rows if row.ticket_id in wanted}


def _events(connection: psycopg.Connection[Any]) -> psycopg.Cursor[Event]:
    return psycopg.Cursor(connection, row_factory=class_row(Event))
