"""What a session sets for itself changes no rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.types.json import Jsonb

from oeventdb.schema import audit
from tests import samples
from tests.procedures.selling.shop import Shop, line

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = {
    "DateStyle": "SQL, DMY",
    "extra_float_digits": "-10",
    "IntervalStyle": "sql_standard",
    "plpgsql.extra_errors": "all",
    "plpgsql.variable_conflict": "use_column",
    "standard_conforming_strings": "off",
    "TimeZone": "Asia/Kathmandu",
    "transform_null_equals": "on",
}


@pytest.fixture
def strange(migrated: str) -> Iterator[psycopg.Connection]:
    """Return a connection whose session has set all it may, before it called anything."""
    with psycopg.connect(migrated, autocommit=True) as connection:
        for name, value in SETTINGS.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        yield connection


def test_ratings_are_read_as_everywhere(strange: psycopg.Connection) -> None:
    texts = ["4.75", "4,5", "4x5", "3\\.5", ".5", "45e-1"]
    found = [strange.execute("SELECT oeventdb.update_rating(%s)::text", (text,)).fetchone() for text in texts]
    assert found == [("5",), ("0",), ("0",), ("0",), ("0.5",), ("4.5",)]


@pytest.mark.parametrize("email", ["ada lovelace@example.org", "ada@example.org\n", "s@s@example.org"])
def test_an_address_that_is_none_is_refused(strange: psycopg.Connection, email: str) -> None:
    shop = Shop(strange)
    ticket = shop.ticket()
    with pytest.raises(psycopg.Error, match="email is no e-mail address") as refused:
        strange.execute(
            "SELECT oeventdb.place_order(%s, %s::jsonb, %s)",
            (shop.event, Jsonb([line(ticket)]), email),
        )
    assert refused.value.sqlstate == "OE400"


def test_no_row_is_taken_for_one_that_breaks_a_rule(strange: psycopg.Connection) -> None:
    samples.insert(strange, "feedback", rating="4.5", event_id=samples.event(strange))
    assert [result for result in audit(strange) if result.violations] == []


def test_times_of_check_in_are_written_as_everywhere(strange: psycopg.Connection) -> None:
    shop = Shop(strange)
    holder = shop.value(
        "SELECT id FROM oeventdb.add_ticket_holder(%s, 'Ada', 'Lovelace', 'ada@example.org')", shop.ticket()
    )
    written = strange.execute(
        "SELECT checkin_times FROM oeventdb.check_in(%s, '2030-02-01 12:00:00Z')", (holder,)
    ).fetchone()
    assert written == ("2030-02-01 17:45:00+05:45",)
