"""Real conferences as rows of the legacy tables, with the dirt that real installations collect.

The same data and seed give the same rows.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from oeventdb.demo import dirt
from oeventdb.resources import sample_data_path

Rows = list[dict[str, Any]]

USERS = 2_000
FIRST_DAY_OF_SALES = timedelta(days=180)
"""How long before it begins a conference sells its first ticket."""


@dataclass
class LegacyDatabase:
    """The rows of the legacy tables, by table."""

    tables: dict[str, Rows] = field(default_factory=dict)

    def add(self, table: str, **row: Any) -> int:
        """Add a row and return its id, which counts from 1."""
        rows = self.tables.setdefault(table, [])
        rows.append({"id": len(rows) + 1, **row})
        return len(rows)

    def link(self, table: str, **row: Any) -> None:
        """Add a row to a table that has no id."""
        self.tables.setdefault(table, []).append(row)


def read_conferences() -> Rows:
    """The conferences of the sample data, in the order of the file."""
    path = sample_data_path() / "conferences.ndjson"
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def legacy_database() -> LegacyDatabase:
    """Make the legacy database of the demo: an event for each conference, and what belongs to it."""
    chance = random.Random(2018)  # noqa: S311 - a story, not a secret
    database = LegacyDatabase()
    for number in range(1, USERS + 1):
        first, last = chance.choice(dirt.FIRST_NAMES), chance.choice(dirt.LAST_NAMES)
        database.add(
            "users",
            _email=f"{first}.{last}.{number}@example.org".lower().replace("'", ""),
            _password="-",  # noqa: S106 - nobody logs in here
            first_name=first,
            last_name=last,
        )
    for number, name in enumerate(("organizer", "coorganizer", "attendee"), 1):
        database.link("roles", id=number, name=name, title_name=name.title())
    for conference in read_conferences():
        _Event(chance, database, conference).add()
    _tag_tickets(chance, database)
    return database


class _Event:
    """Adds one conference to the legacy database."""

    def __init__(self, chance: random.Random, database: LegacyDatabase, conference: dict[str, Any]) -> None:
        self.chance = chance
        self.database = database
        self.conference = conference
        self.starts_at = _at(conference["starts_on"], 9)
        self.event_id = 0
        self.tickets: list[dict[str, Any]] = []

    def add(self) -> None:
        """Add the event with tickets, codes, orders, holders and feedback."""
        self._add_event()
        self._add_tickets()
        self._add_discount_codes()
        for ticket in self.tickets:
            self._add_holders(ticket)
        self._add_feedback()

    def _add_event(self) -> None:
        conference, chance = self.conference, self.chance
        place = ", ".join(filter(None, (conference["city"], conference["country"])))
        latitude, longitude = dirt.PLACES.get(conference["city"], (None, None))
        number = len(self.database.tables.get("events", [])) + 1
        self.event_id = self.database.add(
            "events",
            identifier=dirt.identifier(chance),
            name=conference["name"] + dirt.NAME_SUFFIXES.get(number % 500, ""),
            external_event_url=conference["url"],
            starts_at=self.starts_at,
            ends_at=_at(conference["ends_on"], 18),
            timezone="UTC",
            latitude=latitude,
            longitude=longitude,
            searchable_location_name="Online" if conference["online"] and not place else place,
            description=_description(conference, place) if number != 100 else dirt.HUGE_DESCRIPTION,
            organizer_name=chance.choice(["", None, f"{conference['name']} team"]),
            privacy="private" if chance.random() < 0.03 else "public",
            state=chance.choices(["published", "draft", "Draft", None], [940, 40, 15, 5])[0],
            payment_currency="EUR",
            created_at=self.starts_at - timedelta(days=300),
            deleted_at=self.starts_at if chance.random() < 0.01 else None,
            discount_code_id=None,
        )

    def _add_tickets(self) -> None:
        kinds: list[tuple[str, str, int | None, float]] = [
            ("Conference", "paid", self.chance.randint(8, 20), 99.0),
            ("Workshop", "paid", 3, 149.0),
        ]
        if self.chance.random() < 0.4:
            kinds.append(("Community", "free", self.chance.choice([5, 10, None]), 0.0))
        for position, (name, kind, quantity, price) in enumerate(kinds, 1):
            ticket = {
                "name": name,
                "type": kind,
                "quantity": quantity,
                "position": position,
                "price": price,
                "is_hidden": self.chance.choices([False, True, None], [90, 7, 3])[0],
                "min_order": 1,
                "max_order": 10,
                "sales_starts_at": self.starts_at - FIRST_DAY_OF_SALES,
                "sales_ends_at": self.starts_at,
                "event_id": self.event_id,
            }
            self.tickets.append({"id": self.database.add("tickets", **ticket), **ticket})

    def _add_discount_codes(self) -> None:
        chance = self.chance
        ids = [ticket["id"] for ticket in self.tickets]
        for number in range(chance.choices([0, 1, 2], [60, 28, 12])[0]):
            used_for = "event" if chance.random() < 0.1 else "ticket"
            kind = chance.choice(["percent", "amount"])
            code_id = self.database.add(
                "discount_codes",
                code=chance.choice(["EARLY", "Early", "SPEAKER", "FRIENDS"]),
                value=chance.choices([10.0, 20.0, 50.0, 150.0, -5.0, float("nan")], [40, 30, 26, 2, 1, 1])[0],
                type=kind,
                is_active=True,
                tickets_number=chance.choice([None, 100, 100, 20]),
                min_quantity=1,
                max_quantity=chance.choice([10, 20, 100]),
                valid_from=self.starts_at - FIRST_DAY_OF_SALES,
                valid_till=self.starts_at
                if chance.random() < 0.99
                else self.starts_at - 2 * FIRST_DAY_OF_SALES,
                tickets=dirt.ticket_text(chance, used_for, ids, number),
                event_id=self.event_id,
                created_at=self.starts_at - FIRST_DAY_OF_SALES,
                used_for=used_for,
            )
            if used_for == "event":
                self.database.tables["events"][self.event_id - 1]["discount_code_id"] = code_id

    def _add_holders(self, ticket: dict[str, Any]) -> None:
        chance = self.chance
        left = chance.randint(0, 4) if ticket["name"] != "Workshop" else chance.choice([1, 2, 3, 3, 4, 5])
        while left > 0:
            seats = min(left, chance.randint(1, 2))
            left -= seats
            order_id = self._add_order(ticket, seats) if chance.random() < 0.97 else None
            for _ in range(seats):
                first, last = chance.choice(dirt.FIRST_NAMES), chance.choice(dirt.LAST_NAMES)
                self.database.add(
                    "ticket_holders",
                    firstname=first,
                    lastname=last,
                    email=f"{first}.{last}@example.org".lower(),
                    ticket_id=ticket["id"] if chance.random() < 0.998 else None,
                    order_id=order_id,
                    event_id=dirt.holder_event(chance, self.event_id),
                    is_checked_in=chance.choice([True, False, None]),
                )

    def _add_order(self, ticket: dict[str, Any], seats: int) -> int:
        chance = self.chance
        ordered_at = self.starts_at - timedelta(days=chance.randint(1, 170))
        order_id = self.database.add(
            "orders",
            identifier=f"{chance.getrandbits(128):032x}",
            amount=ticket["price"] * seats,
            user_id=chance.randint(1, USERS),
            event_id=self.event_id if chance.random() < 0.998 else max(1, self.event_id - 1),
            status=chance.choices(dirt.ORDER_STATUSES, dirt.ORDER_STATUS_WEIGHTS)[0],
            payment_mode="stripe" if ticket["price"] else "free",
            created_at=ordered_at,
        )
        self.database.link("orders_tickets", order_id=order_id, ticket_id=ticket["id"], quantity=seats)
        return order_id

    def _add_feedback(self) -> None:
        chance = self.chance
        for _ in range(chance.randint(0, 6)):
            user_id = chance.randint(1, USERS)
            for _ in range(2 if chance.random() < 0.02 else 1):
                self.database.add(
                    "feedback",
                    rating=dirt.rating(chance),
                    comment=chance.choice(dirt.COMMENTS),
                    user_id=user_id,
                    event_id=self.event_id,
                )


def _tag_tickets(chance: random.Random, database: LegacyDatabase) -> None:
    """Add a tag to each hundredth ticket, some of them twice, and links that lead nowhere."""
    for ticket in database.tables["tickets"][::100]:
        tag = database.add("ticket_tag", name="early bird", event_id=ticket["event_id"])
        for _ in range(chance.choice([1, 1, 1, 2])):
            database.link("association", ticket_id=ticket["id"], ticket_tag_id=tag)
    database.link("association", ticket_id=None, ticket_tag_id=1)
    database.link("association", ticket_id=1, ticket_tag_id=None)


def _at(day: str, hour: int) -> datetime:
    return datetime.combine(datetime.fromisoformat(day).date(), time(hour), UTC)


def _description(conference: dict[str, Any], place: str) -> str:
    where = f"in {place}" if place else "online"
    return f"<p>{conference['name']}: a conference on {conference['topic']}, {where}.</p>"
