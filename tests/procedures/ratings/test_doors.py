"""Feedback: the same refusals through every door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oeventdb import InvalidArgument, NotFound, RatingInvalid
from tests.doors import Case, Door, every_door, meet, raw_case

if TYPE_CHECKING:
    import psycopg

INSERT_FEEDBACK = """
INSERT INTO feedback (event_id, user_id, rating, comment)
VALUES (%(event_id)s, %(user_id)s, %(rating)s, %(comment)s)
"""


def _rated(rating: str) -> Case:
    return Case(
        f"rating {rating!r}",
        RatingInvalid,
        "submit_feedback",
        lambda w: {"event_id": w.event, "user_id": w.user, "rating": rating, "comment": None},
        raw=INSERT_FEEDBACK,
    )


RATINGS = [_rated(rating) for rating in ("5.01", "-0.01", "-1", "NaN", "99", "1e400", "5.0000000001")]

FEEDBACK = [
    Case(
        "feedback on an event that is not there",
        NotFound,
        "submit_feedback",
        lambda w: {"event_id": w.nothing, "user_id": w.user, "rating": "3", "comment": None},
    ),
    Case(
        "feedback by a user who is not there",
        NotFound,
        "submit_feedback",
        lambda w: {"event_id": w.event, "user_id": w.nothing, "rating": "3", "comment": None},
    ),
    Case(
        "feedback on no event",
        InvalidArgument,
        "submit_feedback",
        lambda w: {"event_id": None, "user_id": w.user, "rating": "3", "comment": None},
    ),
    Case(
        "the rating of an event that is not there",
        NotFound,
        "event_rating",
        lambda w: {"event_id": w.nothing},
    ),
]


RAW_WRITES = [
    raw_case(
        "a second feedback on the event",
        InvalidArgument,
        "INSERT INTO feedback (event_id, user_id, rating) VALUES (%(event)s, %(user)s, 3), (%(event)s, %(user)s, 4)",
        lambda w: {"event": w.event, "user": w.user},
    ),
    raw_case(
        "a second feedback on the session",
        InvalidArgument,
        "INSERT INTO feedback (event_id, session_id, user_id, rating)"
        " VALUES (%(event)s, 1, %(user)s, 3), (%(event)s, 1, %(user)s, 4)",
        lambda w: {"event": w.event, "user": w.user},
    ),
]


@every_door(RATINGS + FEEDBACK + RAW_WRITES)
def test_every_door_meets_the_same_refusal(
    case: Case, door: Door, shared_connection: psycopg.Connection
) -> None:
    meet(case, door, shared_connection)
