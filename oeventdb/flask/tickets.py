"""Lists of tickets. A hidden ticket is shown to those who manage its event, or know a code for it."""

from __future__ import annotations

from flask import Response

from oeventdb.flask import documents, queries, reads
from oeventdb.flask.documents import TICKET_ATTRIBUTES, dashed
from oeventdb.flask.negotiation import json_response
from oeventdb.flask.problems import unknown
from oeventdb.flask.requests import Asked, Route, path_id
from oeventdb.rows import Ticket

ATTRIBUTES = tuple(dashed(name) for name in TICKET_ATTRIBUTES)
MEMBERS = (*ATTRIBUTES, "event", "ticket-tags", "discount-codes", "access-codes", "attendees")


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
    return collection(asked, rows if manages else visible(rows))


def of_access_code(asked: Asked, code: str) -> Response:
    """The tickets that an access code opens; the hidden ones with ``?code=`` and the code itself."""
    code_id = path_id(code, "access code")
    rows = asked.client.access_code_tickets(access_code_id=code_id)
    found = reads.access_code(asked.connection, code_id)
    given = asked.request.args.get("code", "").strip().lower()
    knows = found is not None and bool(given) and given == found["code"]
    if not knows and not (found is not None and asked.manages(found["event_id"])):
        rows = visible(rows)
    return collection(asked, rows, "code")


def of_order(asked: Asked, identifier: str) -> Response:
    """The tickets of an order; the hidden ones for its buyer and those who manage the event."""
    rows = asked.client.order_tickets(order_identifier=identifier)
    found = reads.order(asked.connection, identifier)
    is_buyer = found is not None and asked.user is not None and found["user_id"] == asked.user.id
    if not is_buyer and not (found is not None and asked.manages(found["event_id"])):
        rows = visible(rows)
    return collection(asked, rows)


def visible(rows: list[Ticket]) -> list[Ticket]:
    """The tickets that anybody may see."""
    return [row for row in rows if row.is_hidden is False]


def collection(asked: Asked, rows: list[Ticket], *extra: str) -> Response:
    """A page of tickets as a document."""
    query = queries.parse(asked.request, "ticket", MEMBERS, ATTRIBUTES, *extra)
    rows = queries.ordered(rows, query, lambda row, name: getattr(row, name.replace("-", "_")))
    data = [documents.ticket(row, asked.prefix, query.fields) for row in queries.page(rows, query)]
    links = {"self": asked.request.path} | queries.links(asked.request, query, len(rows))
    document = documents.document(data, asked.request.path, meta={"count": len(rows)})
    return json_response(document | {"links": links})


ROUTES = (
    Route("GET", "/events/<event>/tickets", of_event, {"event_id": "event"}),
    Route("GET", "/ticket-tags/<tag>/tickets", of_tag, {"ticket_tag_id": "tag"}),
    Route("GET", "/access-codes/<code>/tickets", of_access_code, {"access_code_id": "code"}),
    Route("GET", "/orders/<identifier>/tickets", of_order, {"order_id": "identifier"}),
)
