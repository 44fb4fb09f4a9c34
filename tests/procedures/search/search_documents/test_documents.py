"""search_documents: published events only, and a document that Elasticsearch can always take."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from tests import samples


def documents(db: psycopg.Connection[Any]) -> dict[int, dict[str, Any]]:
    """Return the document of each event by id."""
    return dict(db.execute("SELECT event_id, document FROM oeventdb.search_documents()").fetchall())


def only(db: psycopg.Connection[Any], **columns: Any) -> dict[str, Any]:
    """Insert one event and return its document."""
    event = samples.event(db, **columns)
    return documents(db)[event]


def test_the_whole_document(db: psycopg.Connection) -> None:
    event = samples.event(
        db,
        identifier="a1b2c3d4",
        name="PyCon",
        description="About Python",
        searchable_location_name="Berlin",
        organizer_name="Verein",
        organizer_description="A club",
        starts_at=datetime(2026, 5, 1, 10, 30, tzinfo=UTC),
        ends_at=datetime(2026, 5, 2, 10, 30, 0, 250_000, tzinfo=UTC),
        timezone="Europe/Berlin",
        latitude=52.5,
        longitude=13.4,
        privacy="public",
    )
    assert documents(db)[event] == {
        "id": event,
        "identifier": "a1b2c3d4",
        "name": "PyCon",
        "description": "About Python",
        "searchable_location_name": "Berlin",
        "organizer_name": "Verein",
        "organizer_description": "A club",
        "starts_at": "2026-05-01T10:30:00Z",
        "ends_at": "2026-05-02T10:30:00.25Z",
        "timezone": "Europe/Berlin",
        "location": {"lat": 52.5, "lon": 13.4},
        "privacy": "public",
    }


def test_only_published_events_that_are_not_deleted(db: psycopg.Connection) -> None:
    published = samples.event(db)
    for columns in (
        {"state": "draft"},
        {"state": "Draft"},
        {"state": "Published"},
        {"state": None},
        {"deleted_at": samples.NOW},
        {"state": "draft", "deleted_at": samples.NOW},
    ):
        samples.event(db, **columns)
    assert set(documents(db)) == {published}


def test_an_empty_text_is_null_but_an_empty_name_stays(db: psycopg.Connection) -> None:
    names = ("description", "searchable_location_name", "organizer_name", "organizer_description")
    document = only(db, name="", **dict.fromkeys(names, ""))
    assert document["name"] == ""
    assert [document[name] for name in names] == [None] * 4


def test_missing_values_are_null(db: psycopg.Connection) -> None:
    document = only(db, identifier=None, privacy=None)
    empty = {name for name, value in document.items() if value is None}
    assert empty == {
        "identifier",
        "privacy",
        "description",
        "searchable_location_name",
        "organizer_name",
        "organizer_description",
        "location",
    }


@pytest.mark.parametrize(
    "text",
    [
        "\u0001 and \u001f",
        "line\u2028separator\u2029s",
        "🎉👩‍👩‍👧",
        "مؤتمر بايثون \u202e",
        'quotes " and \\ and / and \b\f\n\r\t',
        "\\u0000 \\n",
        "'; DROP TABLE events; --",
        "x" * 250_000,
        "ä" * 250_000,
    ],
)
def test_any_text_comes_through_unchanged(db: psycopg.Connection, text: str) -> None:
    document = only(db, name=text, description=text, organizer_name=text)
    assert {document["name"], document["description"], document["organizer_name"]} == {text}


@pytest.mark.parametrize(
    ("latitude", "longitude", "location"),
    [
        (90.0, 180.0, {"lat": 90, "lon": 180}),
        (-90.0, -180.0, {"lat": -90, "lon": -180}),
        (0.0, 1e-7, {"lat": 0, "lon": 1e-7}),
        (90.1, 0.0, None),
        (0.0, -180.5, None),
        (None, 13.4, None),
        (52.5, None, None),
        (float("nan"), 13.4, None),
        (52.5, float("nan"), None),
        (float("inf"), 0.0, None),
        (0.0, float("-inf"), None),
    ],
)
def test_impossible_coordinates_are_no_location(
    db: psycopg.Connection, latitude: float | None, longitude: float | None, location: dict[str, float] | None
) -> None:
    assert only(db, latitude=latitude, longitude=longitude)["location"] == location


@pytest.mark.parametrize(
    ("starts_at", "shown"),
    [
        ("2026-05-01 10:00+02", "2026-05-01T08:00:00Z"),
        ("0001-01-01 00:00+00", "0001-01-01T00:00:00Z"),
        ("9999-12-31 23:59:59.999999+00", "9999-12-31T23:59:59.999999Z"),
        ("10000-01-01 00:00+00", None),
        ("0044-03-15 12:00+00 BC", None),
        ("infinity", None),
        ("-infinity", None),
    ],
)
def test_dates_are_utc_whatever_the_session_says(
    db: psycopg.Connection, starts_at: str, shown: str | None
) -> None:
    db.execute("SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'German'; SET extra_float_digits = 0")
    event = samples.event(db, starts_at=starts_at)
    assert documents(db)[event]["starts_at"] == shown


def test_the_lines_of_a_bulk_request_are_of_the_same_documents(db: psycopg.Connection) -> None:
    for name in ("one", "two\nlines", 'three "quoted"', "\u0001\u2028"):
        samples.event(db, name=name, latitude=1 / 3, longitude=2 / 3)
    db.execute("UPDATE events SET name = 'changed' WHERE name = 'one'")
    rows = db.execute("SELECT event_id, search_version, document FROM oeventdb.search_documents()")
    sent = {}
    for (text,) in db.execute("SELECT oeventdb_internal.search_bulk()"):
        *lines, end = text.split("\n")
        assert end == ""
        action, document = map(json.loads, lines)
        sent[document["id"]] = (action, document)
    assert sent == {
        event_id: (
            {"index": {"_id": str(event_id), "version": version, "version_type": "external"}},
            document,
        )
        for event_id, version, document in rows
    }


def test_the_lines_come_in_the_order_of_ids(db: psycopg.Connection) -> None:
    events = [samples.event(db, id=number) for number in (5, 3, -7, 9)]
    samples.event(db, id=4, state="draft")
    lines = [text for (text,) in db.execute("SELECT oeventdb_internal.search_bulk()")]
    assert [json.loads(text.split("\n")[1])["id"] for text in lines] == sorted(events)
    assert db.execute("SELECT oeventdb_internal.search_count()").fetchone() == (4,)


def test_the_lines_are_streamed(db: psycopg.Connection) -> None:
    """What is rendered for the second event is rendered when the second row is asked for."""
    for number in (1, 2):
        samples.event(db, id=number)
    db.execute(
        """
        CREATE OR REPLACE FUNCTION oeventdb_internal.search_lines(event_id bigint, search_version bigint, document text)
        RETURNS text LANGUAGE plpgsql AS $$
        BEGIN
            ASSERT event_id < 2, 'rendered';
            RETURN document;
        END
        $$
        """
    )
    assert len(db.execute("SELECT oeventdb_internal.search_bulk() LIMIT 1").fetchall()) == 1
    with pytest.raises(psycopg.errors.AssertFailure, match="rendered"):
        db.execute("SELECT oeventdb_internal.search_bulk()")


def test_the_document_is_rendered_inline(db: psycopg.Connection) -> None:
    """A call for each event would cost more than the rendering."""
    plan = "\n".join(
        row[0]
        for row in db.execute(
            "EXPLAIN VERBOSE SELECT oeventdb_internal.search_document(e) FROM events AS e"
            " WHERE oeventdb_internal.belongs_in_index(e)"
        )
    )
    assert "search_document" not in plan
    assert "belongs_in_index" not in plan


def test_coordinates_have_all_their_digits_whatever_the_session_asks_for(db: psycopg.Connection) -> None:
    event = samples.event(db, latitude=12.345678901234567, longitude=1 / 3)
    db.execute("SET extra_float_digits = -10")
    assert documents(db)[event]["location"] == {"lat": 12.345678901234567, "lon": 0.3333333333333333}
    for lines in ("search_bulk() AS lines", "search_take(10)", "search_changes('1:1:', 0, 10)"):
        row = db.execute(f"SELECT lines FROM oeventdb_internal.{lines}".encode()).fetchone()
        assert row is not None
        assert '{"lat":12.345678901234567,"lon":0.3333333333333333}' in row[0], lines
