"""A rating is a number of half stars by constraint alone, with every trigger of ours switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oeventdb import RatingInvalid
from tests import samples

if TYPE_CHECKING:
    import psycopg

    from tests.procedures.conftest import Refusal


@pytest.mark.parametrize("rating", ["2.25", "-0.5", "5.5", "NaN", "Infinity", "1e400"])
def test_without_triggers_only_half_stars_are_stored(
    rules: psycopg.Connection, refused: Refusal, rating: str
) -> None:
    event = samples.event(rules)
    rules.execute("ALTER TABLE feedback DISABLE TRIGGER USER")
    rules.execute("INSERT INTO feedback (event_id, rating) VALUES (%s, 4.5)", [event])
    with refused(rules, RatingInvalid) as caught:
        rules.execute(
            "INSERT INTO feedback (event_id, rating) VALUES (%s, %s::text::numeric)", [event, rating]
        )
    assert caught.value.constraint == "feedback_rating_half_stars"
