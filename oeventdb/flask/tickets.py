"""Lists of tickets. A hidden ticket is shown to those who manage its event, or know a code for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Response

from oeventdb import functions
from oeventdb.calls import Function
from oeventdb.flask import documents, queries, reads, ticket_documents
from oeventdb.flask.documents import TICKET_RELATIONSHIPS, dashed
from oeventdb.flask.negotiation import json_response
from oeventdb.flask.problems import unknown
from oeventdb.flask.requests import Asked, Route, path_id
from oeventdb.flask.ticket_documents import TICKET_ATTRIBUTES
from oeventdb.rows import Ticket

ATTRIBUTES = tuple(dashed(name) for name in TICKET_ATTRIBUTES)
MEMBERS = (*ATTRIBUTES, *TICKET_RELATIONSHIPS)

_OF_SOME = ("event", "ticket-tags", "discount-codes")
"""What Open Event links tickets to where they are not those of an event or of a discount code."""


def of_event(asked: Asked, event: str) -> Response:
    """The tickets of an event, by id or identifier; a draft is there only for those who manage it."""
    found = reads.event(asked.connection, event)
    manages = found is not None and asked.manages(found["id"])
    if found is None or not (found["is_published"] or manages):
        raise unknown("event", event, parameter="event")
    arguments = {"event_id": found["id"]}
    return collection(asked, functions.EVENT_TICKETS, arguments, hidden_of=found["id"] if manages else None)


def of_tag(asked: Asked, tag: str) -> Response:
    """The tickets with a tag."""
    tag_id = path_id(tag, "ticket tag", "tag")
    found = reads.ticket_tag(asked.connection, tag_id)
    shown = found["event_id"] if found and asked.manages(found["event_id"]) else None
    arguments = {"ticket_tag_id": tag_id}
    return collection(asked, functions.TICKET_TAG_TICKETS, arguments, hidden_of=shown, related=_OF_SOME)


def of_access_code(asked: Asked, code: str) -> Response:
    """The tickets that an access code opens; the hidden ones with ``?code=`` and the code itself."""
    code_id = path_id(code, "access code", "code")
    given = asked.request.args.get("code", "").strip() or None
    found = reads.access_code(asked.connection, code_id, given)
    is_known = found and (found["is_given"] or asked.manages(found["event_id"]))
    shown = found["event_id"] if found and is_known else None
    arguments = {"access_code_id": code_id}
    return collection(
        asked, functions.ACCESS_CODE_TICKETS, arguments, "code", hidden_of=shown, related=_OF_SOME
    )


def of_order(asked: Asked, identifier: str) -> Response:
    """The tickets of an order; the hidden ones for its buyer and those who manage the event."""
    found = reads.order(asked.connection, identifier)
    if found is None:
        raise unknown("order", identifier, parameter="identifier")
    is_buyer = asked.user is not None and found["user_id"] == asked.user.id
    shown = found["event_id"] if is_buyer or asked.manages(found["event_id"]) else None
    arguments = {"order_identifier": identifier}
    return collection(asked, functions.ORDER_TICKETS, arguments, hidden_of=shown, related=_OF_SOME)


def collection(
    asked: Asked,
    function: Function[Ticket],
    arguments: dict[str, Any],
    *extra: str,
    hidden_of: int | None,
    related: Iterable[str] = TICKET_RELATIONSHIPS,
) -> Response:
    """A page of the tickets that a function returns, as a document; hidden ones of one event at most."""
    query = queries.parse(asked.request, "ticket", MEMBERS, ATTRIBUTES, *extra)
    found = ticket_documents.page(
        asked.connection,
        function.statement(arguments),
        arguments,
        query,
        asked.prefix,
        hidden_of=hidden_of,
        related=related,
    )
    document = documents.document(queries.self_link(asked.request), meta={"count": found.total})
    document["links"] |= queries.links(asked.request, query, found.total)
    return json_response(document, data=found.array)


ROUTES = (
    Route("GET", "/events/<event>/tickets", of_event, {"event_id": "event"}),
    Route("GET", "/ticket-tags/<tag>/tickets", of_tag, {"ticket_tag_id": "tag"}),
    Route("GET", "/access-codes/<code>/tickets", of_access_code, {"access_code_id": "code"}),
    Route("GET", "/orders/<identifier>/tickets", of_order, {"order_id": "identifier"}),
)
