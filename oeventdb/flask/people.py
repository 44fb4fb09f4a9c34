"""Feedback and attendees: what people say, and who is let in."""

from __future__ import annotations

from flask import Response

from oeventdb.errors import WrongEvent
from oeventdb.flask import bodies, documents, reads
from oeventdb.flask.documents import value
from oeventdb.flask.negotiation import json_response
from oeventdb.flask.problems import Problem, unknown
from oeventdb.flask.requests import Asked, Route, created

_FEEDBACK_POINTERS = {
    "rating": "/data/attributes/rating",
    "comment": "/data/attributes/comment",
    "event_id": "/data/relationships/event",
    "user_id": "/data/relationships/user",
    "session_id": "/data/relationships/session",
}
_ATTENDEE_POINTERS = {
    "ticket_id": "/data/relationships/ticket",
    "firstname": "/data/attributes/firstname",
    "lastname": "/data/attributes/lastname",
    "email": "/data/attributes/email",
}


def feedback_summary(asked: Asked, event: str) -> Response:
    """The average rating of an event and how many users gave one."""
    found = reads.event(asked.connection, event)
    if found is None or not (found["is_published"] or asked.manages(found["id"])):
        raise unknown("event", event, parameter="event")
    rating = asked.client.event_rating(event_id=found["id"])
    data = {
        "type": "feedback-summary",
        "id": str(rating.event_id),
        "attributes": {"average": value(rating.average), "count": rating.count},
        "relationships": {"event": {"data": {"type": "event", "id": str(rating.event_id)}}},
    }
    return json_response(documents.document(asked.request.path, data=data))


def add_feedback(asked: Asked) -> Response:
    """What the user says of an event; said again, it replaces the first."""
    data = bodies.resource(asked.request, "feedback")
    user = asked.policy.require_user(asked.user)
    user_id = bodies.related(data, "user", "user") or user.id
    asked.policy.require_self(asked.connection, user, user_id)
    row = asked.client.submit_feedback(
        event_id=bodies.required_related(data, "event"),
        user_id=user_id,
        rating=bodies.required_attribute(data, "rating"),
        comment=bodies.attribute(data, "comment"),
        session_id=bodies.related(data, "session", "session"),
    )
    return created(documents.made("feedback", row, f"{asked.prefix}/feedbacks/{row.id}"))


def add_attendee(asked: Asked) -> Response:
    """Admit a person to a ticket without an order, as those who manage the event may."""
    data = bodies.resource(asked.request, "attendee")
    user = asked.policy.require_user(asked.user)
    ticket_id = bodies.required_related(data, "ticket")
    event_id = reads.event_of_ticket(asked.connection, ticket_id)
    if event_id is None:
        raise unknown("ticket", ticket_id, pointer="/data/relationships/ticket")
    asked.policy.require_manager(asked.connection, user, event_id)
    named = bodies.related(data, "event", "event")
    if named not in (None, event_id):
        code = WrongEvent.sqlstate
        raise Problem(
            422, "the ticket belongs to another event", code=code, pointer="/data/relationships/ticket"
        )
    row = asked.client.add_ticket_holder(
        ticket_id=ticket_id,
        firstname=bodies.required_attribute(data, "firstname"),
        lastname=bodies.required_attribute(data, "lastname"),
        email=bodies.attribute(data, "email"),
    )
    return created(documents.made("attendee", row, f"{asked.prefix}/attendees/{row.id}"))


ROUTES = (
    Route("GET", "/events/<event>/feedback/summary", feedback_summary, {"event_id": "event"}),
    Route("POST", "/feedbacks", add_feedback, _FEEDBACK_POINTERS),
    Route("POST", "/attendees", add_attendee, _ATTENDEE_POINTERS),
)
