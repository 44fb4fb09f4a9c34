"""The collation of a caller's text, under which other texts may be equal and no pattern is matched, changes no rule."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import DiscountCodeDefinition, InvalidArgument, NotFound, RatingInvalid
from tests import samples
from tests.procedures.selling.shop import Shop, line

if TYPE_CHECKING:
    from tests.procedures.conftest import Refusal

CREATE = "SELECT id FROM oeventdb.create_discount_code(%s, %s COLLATE loose, %s COLLATE loose, 10)"
PLACE = "SELECT status FROM oeventdb.place_order(%s, %s::jsonb, %s COLLATE loose)"
SUBMIT = "SELECT rating FROM oeventdb.submit_feedback(%s, %s, %s COLLATE loose, 'x' COLLATE loose)"


@pytest.fixture
def loose(rules: psycopg.Connection) -> psycopg.Connection:
    """Return a connection with a collation that tells neither case nor the digits of one script from another's."""
    collation = "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)"
    try:
        with rules.transaction():
            rules.execute(collation)
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server has no ICU")
    return rules


@pytest.mark.parametrize(
    ("text", "stars"),
    [("3", "3"), ("٣", "0"), ("４.5", "0"), ("4.3", "4.5"), ("45E-1", "4.5"), ("great!", "0"), ("-0", "0")],
)
def test_ratings_are_read_as_everywhere(loose: psycopg.Connection, text: str, stars: str) -> None:
    found = loose.execute("SELECT oeventdb.update_rating(%s COLLATE loose)", [text]).fetchone()
    assert found == (Decimal(stars),)


def test_feedback_is_taken_and_refused_as_everywhere(loose: psycopg.Connection, refused: Refusal) -> None:
    event, user = samples.event(loose), samples.user(loose)
    assert loose.execute(SUBMIT, [event, user, "4.3"]).fetchone() == (Decimal("4.5"),)
    with refused(loose, RatingInvalid, rating="٣"):
        loose.execute(SUBMIT, [event, user, "٣"])


def test_codes_are_created_and_refused_as_everywhere(loose: psycopg.Connection, refused: Refusal) -> None:
    event = samples.event(loose)
    loose.execute(CREATE, [event, "Early", "percent"])
    with refused(loose, InvalidArgument, argument="type"):
        loose.execute(CREATE, [event, "Late", "PERCENT"])
    with refused(loose, DiscountCodeDefinition, field="code"):
        loose.execute(CREATE, [event, "EARLY", "percent"])
    with refused(loose, DiscountCodeDefinition, field="value"):
        loose.execute(CREATE.replace("10", "101"), [event, "Late", "percent"])


def test_an_idempotency_key_is_no_other(loose: psycopg.Connection) -> None:
    shop = Shop(loose)
    lines = json.dumps([line(shop.ticket())])

    def place(key: str) -> object:
        call = (
            "SELECT id FROM oeventdb.place_order(%s, %s::jsonb, 'a@b', idempotency_key => %s COLLATE loose)"
        )
        return loose.execute(call, [shop.event, lines, key]).fetchone()

    lower, upper = place("key"), place("KEY")
    assert lower != upper
    assert (place("key"), place("KEY")) == (lower, upper)


def test_orders_are_placed_and_refused_as_everywhere(loose: psycopg.Connection, refused: Refusal) -> None:
    shop = Shop(loose)
    lines = json.dumps([line(shop.ticket())])
    assert loose.execute(PLACE, [shop.event, lines, "ada@example.org"]).fetchone() == ("pending",)
    with refused(loose, InvalidArgument, argument="email"):
        loose.execute(PLACE, [shop.event, lines, "nobody"])
    with refused(loose, NotFound, resource="order", id="none"):
        loose.execute("SELECT oeventdb.complete_order('none' COLLATE loose)")
