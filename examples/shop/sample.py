"""What the shop sells: real conferences of the sample data, moved to the coming months."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import psycopg

from oeventdb import Client
from oeventdb.demo.conferences import read_conferences
from oeventdb.demo.loading import Tables, load

CURRENCIES = {
    "Canada": ("CAD", 1.5), "Denmark": ("DKK", 7), "France": ("EUR", 1), "Germany": ("EUR", 1), "India": ("INR", 90),
    "Ireland": ("EUR", 1), "Italy": ("EUR", 1), "Japan": ("JPY", 160), "Switzerland": ("CHF", 1),
    "U.K.": ("GBP", 0.9), "U.S.A.": ("USD", 1),
}  # fmt: skip
"""Of the countries whose conferences are here: the currency, and how many of it are about a euro."""

BUYERS = ("Ada", "Alan")
ORGANIZERS = ("Grace", "Barbara")
"""Each organizes every second conference."""

_YEAR = timedelta(weeks=52)
PAST_ORDERS = (2, 1, 0, 3, 1, 2, 4, 0, 1, 3, 2, 1)
"""Of the first conference, by day, up to yesterday."""


def fill(connection: psycopg.Connection[Any]) -> None:
    """Fill an empty, migrated database, in the caller's transaction; its role owns the tables."""
    load(connection, _tables(datetime.now(UTC)))
    client = Client(connection)
    events = connection.execute("SELECT id FROM public.events ORDER BY starts_at, id").fetchall()
    for (event_id,) in events:
        tickets = client.event_tickets(event_id=event_id)
        covered = [ticket.id for ticket in tickets if ticket.type == "paid"]
        client.create_discount_code(
            event_id=event_id, code="EARLY", type="percent", value=20, ticket_ids=covered
        )
    _sell_some(connection, events[0][0])


def _tables(now: datetime) -> Tables:
    """The rows as Open Event would have written them."""
    people = [*BUYERS, *ORGANIZERS]
    tables: dict[str, list[dict[str, Any]]] = {
        "users": [
            {"id": number, "_email": f"{name.lower()}@example.org", "_password": "-", "first_name": name}
            for number, name in enumerate(people, 1)
        ],
        "roles": [{"id": 1, "name": "organizer", "title_name": "Organizer"}],
        "events": [],
        "users_events_roles": [],
        "tickets": [],
        "access_codes": [],
        "access_codes_tickets": [],
    }
    for number, conference in enumerate(_coming(now), 1):
        organizer = len(BUYERS) + 1 + number % len(ORGANIZERS)
        tables["events"].append(_event(number, conference))
        tables["users_events_roles"].append(
            {"id": number, "event_id": number, "user_id": organizer, "role_id": 1}
        )
        tickets = [
            {"id": len(tables["tickets"]) + position, "position": position, "event_id": number, **ticket}
            for position, ticket in enumerate(_tickets(conference, now), 1)
        ]
        tables["tickets"] += tickets
        tables["access_codes"].append(
            {"id": number, "event_id": number, "code": "SPEAKER", "is_active": True}
        )
        tables["access_codes_tickets"].append({"access_code_id": number, "ticket_id": tickets[-1]["id"]})
    return tables


def _coming(now: datetime) -> Iterator[dict[str, Any]]:
    """The latest of each Python conference, so many whole years later that it is still to come."""
    latest = {
        conference["name"].lower(): conference
        for conference in read_conferences()
        if conference["topic"] == "python" and conference["country"] in CURRENCIES
    }
    for conference in latest.values():
        starts_at = datetime.combine(datetime.fromisoformat(conference["starts_on"]), time(9), UTC)
        ends_at = datetime.combine(datetime.fromisoformat(conference["ends_on"]), time(18), UTC)
        later = _YEAR * max(0, -((starts_at - now - timedelta(days=30)) // _YEAR))
        yield {**conference, "starts_at": starts_at + later, "ends_at": ends_at + later}


def _event(number: int, conference: dict[str, Any]) -> dict[str, Any]:
    place = f"{conference['city']}, {conference['country']}"
    return {
        "id": number,
        "identifier": f"{number:08x}",
        "name": conference["name"],
        "starts_at": conference["starts_at"],
        "ends_at": conference["ends_at"],
        "timezone": "UTC",
        "searchable_location_name": place,
        "description": f"A conference on {conference['topic']} in {place}.",
        "external_event_url": conference["url"],
        "state": "published",
        "privacy": "public",
        "payment_currency": CURRENCIES[conference["country"]][0],
        "discount_code_id": None,
    }


def _tickets(conference: dict[str, Any], now: datetime) -> Iterator[dict[str, Any]]:
    rate = CURRENCIES[conference["country"]][1]
    for name, kind, quantity, euros, is_hidden in (
        ("Conference", "paid", 40, 99, False),
        ("Workshop", "paid", 5, 149, False),
        ("Community", "free", 3, 0, False),
        ("Speaker", "free", 5, 0, True),
    ):
        yield {
            "name": name,
            "type": kind,
            "quantity": quantity,
            "price": round(euros * rate),
            "min_order": 1,
            "max_order": 5,
            "is_hidden": is_hidden,
            "sales_starts_at": now - timedelta(days=30),
            "sales_ends_at": conference["starts_at"],
        }


def _sell_some(connection: psycopg.Connection[Any], event_id: int) -> None:
    """Sell seats of an event on the days before today, for its organizers' page."""
    client = Client(connection)
    seats = [ticket.id for ticket in client.event_tickets(event_id=event_id)][:2]
    for days_ago, orders in zip(range(len(PAST_ORDERS), 0, -1), PAST_ORDERS, strict=True):
        for number in range(orders):
            ticket_id = seats[1] if (days_ago, number) in ((9, 0), (6, 1)) else seats[0]
            order = client.place_order(
                event_id=event_id,
                lines=[{"ticket_id": ticket_id, "quantity": 1 + number % 2}],
                email="somebody@example.org",
            )
            client.complete_order(order_identifier=order.identifier or "", payment_reference="example")
            connection.execute(
                "UPDATE public.orders SET created_at = created_at - %s WHERE id = %s",
                [timedelta(days=days_ago), order.id],
            )
