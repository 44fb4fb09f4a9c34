"""A discount code's tickets and the relationship to them, for those who manage the code's event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response

from oeventdb import functions
from oeventdb.flask import bodies, documents, reads, ticket_documents, tickets
from oeventdb.flask.negotiation import json_response
from oeventdb.flask.problems import unknown
from oeventdb.flask.requests import Asked, Route, path_id, require_match

_RELATIONSHIP = "/discount-codes/<code>/relationships/tickets"
_POINTERS = {"ticket_ids": "/data", "ticket_id": "/data", "discount_code_id": "code"}


def code_tickets(asked: Asked, code: str) -> Response:
    """The tickets of a code, hidden ones too."""
    found = _managed(asked, code)
    arguments = {"discount_code_id": found["id"]}
    return tickets.collection(asked, functions.DISCOUNT_CODE_TICKETS, arguments, hidden_of=found["event_id"])


def code_linkage(asked: Asked, code: str) -> Response:
    """The relationship of a code to its tickets."""
    found = _managed(asked, code)
    return _linkage(asked, _tickets(asked, found["id"]), found["id"])


def replace_code_linkage(asked: Asked, code: str) -> Response:
    """Replace the whole set of a code's tickets; ``[]`` empties it."""
    return _change(asked, code, lambda _, given: given)


def add_code_linkage(asked: Asked, code: str) -> Response:
    """Add tickets to a code; those it has already stay."""
    return _change(asked, code, lambda before, given: before | given)


def remove_code_linkage(asked: Asked, code: str) -> Response:
    """Take tickets from a code; those it has not are ignored."""
    return _change(asked, code, lambda before, given: before - given)


def _change(asked: Asked, code: str, change: Callable[[set[int], set[int]], set[int]]) -> Response:
    found = _managed(asked, code)
    given = set(bodies.linkage(asked.request, "ticket"))
    # two changes of one code must queue here: each reads the set before it writes another
    reads.lock(asked.connection, f"discount code {found['id']}")
    before = _tickets(asked, found["id"])
    require_match(asked.request, _linkage(asked, before, found["id"]))
    wanted = change(set(before), given)
    if wanted == set(before):
        return Response(status=204)
    after = ticket_documents.ids(
        asked.connection,
        functions.REPLACE_DISCOUNT_CODE_TICKETS,
        discount_code_id=found["id"],
        ticket_ids=sorted(wanted),
    )
    resource = documents.discount_code(found, asked.prefix)
    resource["relationships"]["tickets"]["data"] = _identifiers(after)
    included = ticket_documents.some(asked.connection, after, asked.prefix)
    return json_response(documents.document(asked.request.path, data=resource), included=included.array)


def _managed(asked: Asked, code: str) -> dict[str, Any]:
    asked.policy.require_user(asked.user)
    found = reads.discount_code(asked.connection, path_id(code, "discount code", "code"))
    if found is None:
        raise unknown("discount code", code, parameter="code")
    asked.require_manager(found["event_id"])
    return found


def _tickets(asked: Asked, code_id: int) -> list[int]:
    return ticket_documents.ids(asked.connection, functions.DISCOUNT_CODE_TICKETS, discount_code_id=code_id)


def _linkage(asked: Asked, ids: list[int], code_id: int) -> Response:
    path = f"{asked.prefix}/discount-codes/{code_id}"
    links = {"self": f"{path}/relationships/tickets", "related": f"{path}/tickets"}
    return json_response(documents.document(path, data=_identifiers(ids), links=links))


def _identifiers(ids: list[int]) -> list[dict[str, str]]:
    return [{"type": "ticket", "id": str(id_)} for id_ in ids]


ROUTES = (
    Route("GET", "/discount-codes/<code>/tickets", code_tickets, _POINTERS),
    Route("GET", _RELATIONSHIP, code_linkage, _POINTERS),
    Route("PATCH", _RELATIONSHIP, replace_code_linkage, _POINTERS),
    Route("POST", _RELATIONSHIP, add_code_linkage, _POINTERS),
    Route("DELETE", _RELATIONSHIP, remove_code_linkage, _POINTERS),
)
