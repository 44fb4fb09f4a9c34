"""The same rule through HTTP: the cases of the other doors meet the same refusals here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from oeventdb.flask.problems import STATUS
from tests import samples
from tests.doors import Case, World
from tests.procedures.discount_codes import test_doors as discount_codes
from tests.procedures.holders import test_doors as holders
from tests.procedures.ratings import test_doors as ratings
from tests.procedures.selling import test_doors as selling
from tests.procedures.tickets import test_doors as tickets

if TYPE_CHECKING:
    import psycopg

    from tests.flask.http import Api

Request = tuple[str, str, Any]

CASES = [
    *ratings.RATINGS,
    *ratings.FEEDBACK,
    *holders.HOLDERS,
    *discount_codes.LINKS,
    *discount_codes.DEFINITIONS,
    *selling.SALES,
    *selling.CODES,
    *selling.LIFE,
    *tickets.UNKNOWN,
]


def _related(type_: str, id_: int) -> dict[str, Any]:
    return {"data": {"type": type_, "id": str(id_)}}


def _feedback(given: dict[str, Any]) -> Request:
    related = {"event": _related("event", given["event_id"]), "user": _related("user", given["user_id"])}
    attributes = {"rating": given["rating"], "comment": given["comment"]}
    data = {"type": "feedback", "attributes": attributes, "relationships": related}
    return "POST", "/v1/feedbacks", {"data": data}


def _attendee(given: dict[str, Any]) -> Request:
    attributes = {"firstname": given["firstname"], "lastname": given["lastname"]}
    related = {"ticket": _related("ticket", given["ticket_id"])}
    data = {"type": "attendee", "attributes": attributes, "relationships": related}
    return "POST", "/v1/attendees", {"data": data}


def _order(given: dict[str, Any]) -> Request:
    attributes = {
        name.replace("_", "-"): given[name]
        for name in ("lines", "email", "discount_code", "access_code")
        if name in given
    }
    related = {"event": _related("event", given["event_id"])}
    data = {"type": "order", "attributes": attributes, "relationships": related}
    return "POST", "/v1/orders", {"data": data}


def _linkage(given: dict[str, Any]) -> Request:
    path = f"/v1/discount-codes/{given['discount_code_id']}/relationships/tickets"
    return "PATCH", path, {"data": [{"type": "ticket", "id": str(id_)} for id_ in given["ticket_ids"]]}


REQUESTS: dict[str, Callable[[dict[str, Any]], Request]] = {
    "submit_feedback": _feedback,
    "add_ticket_holder": _attendee,
    "place_order": _order,
    "replace_discount_code_tickets": _linkage,
    "discount_code_tickets": lambda g: ("GET", f"/v1/discount-codes/{g['discount_code_id']}/tickets", None),
    "event_rating": lambda g: ("GET", f"/v1/events/{g['event_id']}/feedback/summary", None),
    "event_tickets": lambda g: ("GET", f"/v1/events/{g['event_id']}/tickets", None),
    "event_tickets_by_identifier": lambda g: ("GET", f"/v1/events/{g['event_identifier']}/tickets", None),
    "ticket_tag_tickets": lambda g: ("GET", f"/v1/ticket-tags/{g['ticket_tag_id']}/tickets", None),
    "access_code_tickets": lambda g: ("GET", f"/v1/access-codes/{g['access_code_id']}/tickets", None),
    "order_tickets": lambda g: ("GET", f"/v1/orders/{g['order_identifier']}/tickets", None),
}

ABSENT = {"idempotency_key", "hold"}
"""Arguments that a document does not carry."""


@pytest.mark.parametrize("case", [case for case in CASES if case.function in REQUESTS], ids=lambda c: c.name)
def test_http_meets_the_same_refusal(case: Case, api: Api, db: psycopg.Connection) -> None:
    given = case.arguments(World(db))
    if None in [value for name, value in given.items() if name != "comment"] or ABSENT & given.keys():
        pytest.skip("a document cannot say this")
    method, path, document = REQUESTS[str(case.function)](given)
    response = api(method, path, document, user=samples.user(db, is_admin=True))
    assert response.status_code == STATUS[case.error], response.data
    assert response.errors[0]["code"] == case.error.sqlstate
