"""Placing an order: whole or not at all, and only once for each Idempotency-Key."""

from __future__ import annotations

from typing import Any

from flask import Response

from oeventdb import DEFAULT
from oeventdb.flask import bodies, documents
from oeventdb.flask.access import User
from oeventdb.flask.problems import invalid
from oeventdb.flask.requests import Asked, Route, created

_LINES = "/data/attributes/lines"
_POINTERS = {
    "event_id": "/data/relationships/event",
    "ticket_id": _LINES,
    "lines": _LINES,
    "email": "/data/attributes/email",
    "discount_code": "/data/attributes/discount-code",
    "access_code": "/data/attributes/access-code",
    "idempotency_key": "Idempotency-Key",
}


def place_order(asked: Asked) -> Response:
    """Sell seats of one event to a user; an order that is free is complete at once."""
    data = bodies.resource(asked.request, "order")
    user = asked.policy.require_user(asked.user)
    order = asked.client.place_order(
        event_id=bodies.required_related(data, "event"),
        lines=_lines(data),
        email=bodies.required_attribute(data, "email"),
        discount_code=bodies.attribute(data, "discount-code"),
        access_code=bodies.attribute(data, "access-code"),
        idempotency_key=_key(asked, user),
    )
    path = f"{asked.prefix}/orders/{order.identifier}"
    return created(documents.made("order", order, path))


def _key(asked: Asked, user: User) -> Any:
    """The key of this user: another who sends the same must not be given this one's order."""
    key = asked.request.headers.get("Idempotency-Key")
    return f"{user.id}/{key}" if key else DEFAULT if key is None else key


def _lines(data: dict[str, Any]) -> list[Any]:
    """The lines as place_order takes them: with ticket_id for ticket-id."""
    lines = data["attributes"].get("lines")
    if not isinstance(lines, list):
        raise invalid("lines has to be a list", _LINES)
    return [
        {key.replace("-", "_"): value for key, value in line.items()} if isinstance(line, dict) else line
        for line in lines
    ]


ROUTES = (Route("POST", "/orders", place_order, _POINTERS),)
