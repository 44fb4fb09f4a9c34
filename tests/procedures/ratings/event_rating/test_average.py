"""event_rating: one row with the average to two decimals and the count, NULL and 0 without feedback."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from oeventdb import Client, InvalidArgument, NotFound
from tests import samples

if TYPE_CHECKING:
    import psycopg

    from tests.procedures.conftest import Refusal


@pytest.mark.parametrize(
    ("ratings", "average"),
    [
        ([], None),
        ([0], "0.00"),
        ([5, 4], "4.50"),
        ([1, 0, 0], "0.33"),
        ([5, 5, 4], "4.67"),
        ([0.5, 1], "0.75"),
    ],
)
def test_the_average_is_rounded_to_two_decimals(
    rules: psycopg.Connection, ratings: list[float], average: str | None
) -> None:
    event = samples.event(rules)
    for stars in ratings:
        rules.execute("INSERT INTO feedback (event_id, rating) VALUES (%s, %s)", [event, stars])
    found = Client(rules).event_rating(event_id=event)
    assert (found.event_id, found.count) == (event, len(ratings))
    assert found.average == (None if average is None else Decimal(average))
    assert average is None or str(found.average) == average


def test_other_events_sessions_and_withdrawn_feedback_do_not_count(rules: psycopg.Connection) -> None:
    event, other = samples.event(rules), samples.event(rules)
    rules.execute(
        "INSERT INTO feedback (event_id, session_id, rating) VALUES (%s, NULL, 1), (%s, 9, 5), (%s, NULL, 5)",
        [event, event, other],
    )
    found = Client(rules).event_rating(event_id=event)
    assert (found.average, found.count) == (Decimal(1), 1)
    rules.execute("UPDATE feedback SET rating = 4 WHERE event_id = %s AND session_id IS NULL", [event])
    assert Client(rules).event_rating(event_id=event).average == Decimal(4)
    rules.execute("DELETE FROM feedback WHERE event_id = %s AND session_id IS NULL", [event])
    assert Client(rules).event_rating(event_id=event).count == 0


def test_an_event_that_is_not_there_is_told(rules: psycopg.Connection, refused: Refusal) -> None:
    gone = samples.event(rules, deleted_at=samples.NOW)
    for wrong in (gone, -1, 0, 2**63 - 1):
        with refused(rules, NotFound, resource="event", id=wrong):
            Client(rules).event_rating(event_id=wrong)
    with refused(rules, InvalidArgument, argument="event_id"):
        rules.execute("SELECT * FROM oeventdb.event_rating(NULL)")
