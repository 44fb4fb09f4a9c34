"""Lists of tickets. A hidden ticket is shown to those who manage its event, or know a code for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from flask import Response

from oeventdb.flask import documents, queries, reads
from oeventdb.flask.documents import TICKET_ATTRIBUTES, TICKET_RELATIONSHIPS, dashed
from oeventdb.flask.negotiation import json_response
from oeventdb.flask.problems import unknown
from oeventdb.flask.requests import Asked, Route, path_id
from oeventdb.rows import Ticket

ATTRIBUTES = tuple(dashed(name) for name in TICKET_ATTRIBUTES)
MEMBERS = (*ATTRIBUTES, *TICKET_RELATIONSHIPS)

_COLUMNS = tuple(field.name for field in dataclasses.fields(Ticket))
_OF_SOME = ("event", "ticket-tags", "discount-codes")
"""What Open Event links tickets to where they are not those of an event or of a discount code."""


def of_event(asked: Asked, event: str) -> Response:
    """The tickets of an event, by id or identifier; a draft is there only for those who manage it."""
    found = reads.event(asked.connection, event)
    manages = found is not None and asked.manages(found["id"])
    if found is None or not (found["is_published"] or manages):
        raise unknown("event", event, parameter="event")
    rows = asked.client.event_tickets(event_id=found["id"])
    return collection(asked, rows if manages else visible(rows))


def of_tag(asked: Asked, tag: str) -> Response:
    """The tickets with a tag."""
    tag_id = path_id(tag, "ticket tag")
    rows = asked.client.ticket_tag_tickets(ticket_tag_id=tag_id)
    found = reads.ticket_tag(asked.connection, tag_id)
    manages = found is not None and asked.manages(found["event_id"])
    return collection(asked, rows if manages else visible(rows), related=_OF_SOME)


def of_access_code(asked: Asked, code: str) -> Response:
    """The tickets that an access code opens; the hidden ones with ``?code=`` and the code itself."""
    code_id = path_id(code, "access code")
    rows = asked.client.access_code_tickets(access_code_id=code_id)
    found = reads.access_code(asked.connection, code_id)
    given = asked.request.args.get("code", "").strip().lower()
    knows = found is not None and bool(given) and given == found["code"]
    if not knows and not (found is not None and asked.manages(found["event_id"])):
        rows = visible(rows)
    return collection(asked, rows, "code", related=_OF_SOME)


def of_order(asked: Asked, identifier: str) -> Response:
    """The tickets of an order; the hidden ones for its buyer and those who manage the event."""
    rows = asked.client.order_tickets(order_identifier=identifier)
    found = reads.order(asked.connection, identifier)
    is_buyer = found is not None and asked.user is not None and found["user_id"] == asked.user.id
    if not is_buyer and not (found is not None and asked.manages(found["event_id"])):
        rows = visible(rows)
    return collection(asked, rows, related=_OF_SOME)


def visible(rows: list[Ticket]) -> list[Ticket]:
    """The tickets that anybody may see."""
    return [row for row in rows if row.is_hidden is False]


def records(asked: Asked, rows: list[Ticket]) -> list[dict[str, Any]]:
    """The tickets with all that Open Event shows of them, as values of JSON."""
    others = reads.ticket_columns(asked.connection, [row.id for row in rows])
    # one that another transaction has just deleted is shown no more
    whole = ({n: getattr(row, n) for n in _COLUMNS} | others[row.id] for row in rows if row.id in others)
    return [{name: documents.value(item) for name, item in record.items()} for record in whole]


def collection(
    asked: Asked, rows: list[Ticket], *extra: str, related: Iterable[str] = TICKET_RELATIONSHIPS
) -> Response:
    """A page of tickets as a document."""
    query = queries.parse(asked.request, "ticket", MEMBERS, ATTRIBUTES, *extra)
    found = queries.ordered(records(asked, rows), query)
    data = [
        documents.ticket(item, asked.prefix, query.fields, related) for item in queries.page(found, query)
    ]
    document = documents.document(data, queries.self_link(asked.request), meta={"count": len(found)})
    document["links"] |= queries.links(asked.request, query, len(found))
    return json_response(document)


ROUTES = (
    Route("GET", "/events/<event>/tickets", of_event, {"event_id": "event"}),
    Route("GET", "/ticket-tags/<tag>/tickets", of_tag, {"ticket_tag_id": "tag"}),
    Route("GET", "/access-codes/<code>/tickets", of_access_code, {"access_code_id": "code"}),
    Route("GET", "/orders/<identifier>/tickets", of_order, {"order_id": "identifier"}),
)
