"""Generates a dirty legacy database of any size from a seed: the same seed gives the same rows."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.legacy import junk

Rows = list[dict[str, Any]]

EPOCH = datetime(2018, 5, 1, 12, tzinfo=UTC)
HUGE_DESCRIPTION = "<p>" + "Lorem ipsum dolor sit amet. " * 9_000 + "</p>"
"""About 250 kB."""


@dataclass(frozen=True)
class Size:
    """How many rows to make; everything else follows from these."""

    users: int = 60
    events: int = 40
    tickets: int = 120
    discount_codes: int = 80
    orders: int = 200
    holders: int = 600
    feedback: int = 500


@dataclass
class Generator:
    """One run: a source of randomness and how much to make of it."""

    random: random.Random
    size: Size

    def maybe(self, share: float) -> bool:
        """True in about that share of all cases."""
        return self.random.random() < share

    def time(self) -> datetime:
        """A time in the four years after May 2018."""
        return EPOCH + timedelta(seconds=self.random.randrange(4 * 365 * 86_400))

    def id_up_to(self, count: int) -> int | None:
        """An id from 1 to count; None where there is none."""
        return self.random.randint(1, count) if count else None

    def users(self) -> Rows:
        """Users whose e-mail addresses are unique, as the legacy schema asks."""
        return [
            {
                "id": number,
                "_email": f"user{number}@example.org",
                "_password": "x" * 40,
                "first_name": self.random.choice(junk.NAMES),
                "is_super_admin": self.random.choice([True, False, None]),
                "deleted_at": self.time() if self.maybe(0.1) else None,
            }
            for number in range(1, self.size.users + 1)
        ]

    def events(self) -> Rows:
        """Events with missing, repeated and good identifiers, in known and unknown states."""
        rows: Rows = []
        for number in range(1, self.size.events + 1):
            starts_at = self.time()
            rows.append(
                {
                    "id": number,
                    "identifier": self.random.choice([None, "", "repeated", *[f"{number:08x}"] * 7]),
                    "name": self.random.choice(junk.NAMES) + ("" if self.maybe(0.2) else f" {number}"),
                    "starts_at": starts_at,
                    "ends_at": starts_at + timedelta(days=self.random.randint(-1, 4)),
                    "timezone": self.random.choice(["UTC", "Europe/Berlin", "", "Mars/Olympus"]),
                    "state": self.random.choice(
                        ["published", "published", "draft", "Draft", None, "deleted"]
                    ),
                    "privacy": self.random.choice(["public", "public", "private", None]),
                    "description": HUGE_DESCRIPTION
                    if number % 37 == 1
                    else self.random.choice(["", None, "Text."]),
                    "organizer_name": self.random.choice(["", None, *junk.NAMES]),
                    "searchable_location_name": self.random.choice(["Berlin", "", None, "São Paulo"]),
                    "latitude": self.random.choice([None, 52.5, 91.0, float("nan"), -33.9]),
                    "longitude": self.random.choice([None, 13.4, 181.0, float("inf"), 18.4]),
                    "payment_currency": self.random.choice(["EUR", "JPY", None, ""]),
                    "created_at": self.time(),
                    "deleted_at": self.time() if self.maybe(0.1) else None,
                    "discount_code_id": None,
                }
            )
        return rows

    def discount_codes(self) -> Rows:
        """Codes of both kinds whose ticket texts are filled in once there are tickets."""
        rows: Rows = []
        for number in range(1, self.size.discount_codes + 1):
            starts = self.time() if self.maybe(0.7) else None
            rows.append(
                {
                    "id": number,
                    "code": self.random.choice(
                        ["EARLY", "early", "Early", "", "VIP", f"code-{number}", "x" * 300]
                    ),
                    "value": self.random.choice(junk.DISCOUNT_VALUES),
                    "type": self.random.choice(["amount", "percent", "percent"]),
                    "is_active": self.random.choice([True, True, False, None]),
                    "tickets_number": self.random.choice([None, 0, 5, 50, 100, -1]),
                    "min_quantity": self.random.choice([None, 0, 1, 1, 5, -2]),
                    "max_quantity": self.random.choice([None, 0, 3, 100, 100, -1]),
                    "valid_from": starts,
                    "valid_till": starts and starts + timedelta(days=self.random.randint(-5, 90)),
                    "tickets": None,
                    "event_id": self.id_up_to(self.size.events) if self.maybe(0.95) else None,
                    "created_at": self.time(),
                    "used_for": self.random.choice(["ticket", "ticket", "ticket", "event"]),
                }
            )
        return rows

    def tickets(self) -> Rows:
        """Tickets of every type and quantity, some without an event."""
        rows: Rows = []
        for number in range(1, self.size.tickets + 1):
            opens = self.time()
            rows.append(
                {
                    "id": number,
                    "name": f"{self.random.choice(junk.NAMES)} {number}",
                    "type": self.random.choice(["free", "paid", "paid", "donation", "", "PAID"]),
                    "quantity": self.random.choice([0, 1, 1, 2, 5, 10, 100, None]),
                    "position": self.random.choice([1, 1, 2, None]),
                    "price": self.random.choice([0.0, 10.0, 19.99, None, -1.0, float("nan"), 1e15]),
                    "is_hidden": self.random.choice([True, False, False, None]),
                    "min_order": self.random.choice([1, 1, None, 5, 0]),
                    "max_order": self.random.choice([10, 10, None, 2]),
                    "sales_starts_at": opens,
                    "sales_ends_at": opens + timedelta(days=self.random.randint(-3, 60)),
                    "event_id": self.id_up_to(self.size.events) if self.maybe(0.97) else None,
                }
            )
        return rows

    def ticket_text(
        self, code: dict[str, Any], tickets: Rows, by_event: dict[int | None, list[int]]
    ) -> str | None:
        """What an application may have written into ``discount_codes.tickets``."""
        if code["used_for"] == "event" and self.maybe(0.6):
            return self.random.choice(["event", "", None, " event "])
        if self.maybe(0.15):
            return self.random.choice([None, "", " ", ",", ",,", *junk.TICKET_WORDS])
        words = [str(ticket) for ticket in by_event.get(code["event_id"], [])[:20] if self.maybe(0.6)]
        if self.maybe(0.3):
            words.append(str(self.random.choice(tickets)["id"]))
        if self.maybe(0.3):
            words.append(self.random.choice(junk.TICKET_WORDS))
        if self.maybe(0.1):
            words.append(str(len(tickets) + 1000))
        if words and self.maybe(0.2):
            words.append(words[0])
        self.random.shuffle(words)
        return self.random.choice([",", ", ", " , ", ",\n"]).join(words) + self.random.choice(
            ["", "", ",", " "]
        )

    def orders(self) -> Rows:
        """Orders in every state the application has ever written, and in some that it has not."""
        return [
            {
                "id": number,
                "identifier": f"order-{number}" if self.maybe(0.97) else None,
                "amount": self.random.choice([0.0, 10.0, 19.99, None, float("nan"), -3.0]),
                "user_id": self.id_up_to(self.size.users),
                "event_id": self.id_up_to(self.size.events) if self.maybe(0.95) else None,
                "status": self.random.choice(junk.ORDER_STATUSES),
                "payment_mode": self.random.choice(["free", "stripe", "paypal", None]),
                "created_at": self.time() if self.maybe(0.9) else None,
                "discount_code_id": self.id_up_to(self.size.discount_codes) if self.maybe(0.2) else None,
            }
            for number in range(1, self.size.orders + 1)
        ]

    def holders(self, tickets: Rows) -> Rows:
        """Holders who crowd the first tickets, with and without ticket, order and event."""
        rows: Rows = []
        events = {ticket["id"]: ticket["event_id"] for ticket in tickets}
        for number in range(1, self.size.holders + 1):
            crowded = min(self.size.tickets, max(5, self.size.tickets // 4))
            ticket_id = self.id_up_to(crowded if self.maybe(0.6) else self.size.tickets)
            if self.maybe(0.05):
                ticket_id = None
            event_id = events.get(ticket_id) if ticket_id is not None else self.id_up_to(self.size.events)
            if self.maybe(0.15):
                event_id = self.random.choice([None, self.id_up_to(self.size.events)])
            rows.append(
                {
                    "id": number * 3,
                    "firstname": self.random.choice(junk.NAMES),
                    "lastname": self.random.choice(junk.NAMES),
                    "email": self.random.choice([None, "", f"holder{number}@example.org"]),
                    "birth_date": self.random.choice([None, datetime(1900, 1, 1, tzinfo=UTC)]),
                    "ticket_id": ticket_id,
                    "order_id": self.id_up_to(self.size.orders) if self.maybe(0.85) else None,
                    "event_id": event_id,
                    "is_checked_in": self.random.choice([True, False, None]),
                    "checkin_times": self.random.choice(
                        [None, "", "2018-05-01 10:00:00+00:00,2018-05-02 09:30:00+00:00"]
                    ),
                }
            )
        return rows

    def feedback(self) -> Rows:
        """Reviews, many of them by the same user of the same event, rated with anything."""
        ratings = junk.CLEAN_RATINGS + junk.HALF_STAR_RATINGS_WRITTEN_ODDLY + junk.ROUNDED_RATINGS
        every = ratings + junk.UNREADABLE_RATINGS
        return [
            {
                "id": number,
                "rating": every[number % len(every)]
                if number <= 2 * len(every)
                else self.random.choice(every),
                "comment": self.random.choice([None, "", *junk.NAMES]),
                "user_id": self.id_up_to(self.size.users) if self.maybe(0.95) else None,
                "event_id": self.id_up_to(self.size.events) if self.maybe(0.95) else None,
            }
            for number in range(1, self.size.feedback + 1)
        ]

    def links(self, tickets: Rows) -> dict[str, Rows]:
        """Order lines, access codes, tags and roles, with doubled and half empty links."""
        lines = {
            (self.id_up_to(self.size.orders), self.id_up_to(self.size.tickets))
            for _ in range(self.size.orders)
        }
        tags = max(1, self.size.events // 2)
        tag_links = [
            (self.id_up_to(self.size.tickets), self.id_up_to(tags)) for _ in range(self.size.tickets)
        ]
        half = [(None, 1), (self.id_up_to(self.size.tickets), None), (None, None)]
        access_links = {(self.id_up_to(10), ticket["id"]) for ticket in tickets[::5]}
        return {
            "roles": [
                {"id": number, "name": name} for number, name in enumerate(["organizer", "attendee"], 1)
            ],
            "users_events_roles": [
                {"id": number, "event_id": event, "user_id": self.id_up_to(self.size.users), "role_id": role}
                for number, (event, role) in enumerate([(1, 1), (1, 1), (None, 2), (2, None)], 1)
            ],
            "orders_tickets": [
                {"order_id": order, "ticket_id": ticket, "quantity": self.random.choice([None, 0, 1, 4, -1])}
                for order, ticket in sorted(lines, key=repr)
            ],
            "access_codes": [
                {
                    "id": number,
                    "code": self.random.choice(["INNER", "inner", None]),
                    "is_active": self.random.choice([True, False, None]),
                    "tickets_number": self.random.choice([None, 0, 5, 100, -1]),
                    "min_quantity": self.random.choice([None, 0, 1, 5, -2]),
                    "max_quantity": self.random.choice([None, 0, 3, 100, -1]),
                    "event_id": self.id_up_to(self.size.events),
                }
                for number in range(1, 11)
            ],
            "access_codes_tickets": [
                {"access_code_id": code, "ticket_id": ticket}
                for code, ticket in sorted(access_links, key=repr)
            ],
            "ticket_tag": [
                {
                    "id": number,
                    "name": self.random.choice(junk.NAMES),
                    "event_id": self.id_up_to(self.size.events),
                }
                for number in range(1, tags + 1)
            ],
            "association": [
                {"ticket_id": ticket, "ticket_tag_id": tag}
                for ticket, tag in tag_links + tag_links[::10] + half * 2
            ],
        }


def generate(seed: int, size: Size | None = None) -> dict[str, Rows]:
    """The rows of every legacy table, by table."""
    generator = Generator(random.Random(seed), size or Size())
    tickets = generator.tickets()
    codes = generator.discount_codes()
    by_event: dict[int | None, list[int]] = {}
    for ticket in tickets:
        by_event.setdefault(ticket["event_id"], []).append(ticket["id"])
    for code in codes:
        code["tickets"] = generator.ticket_text(code, tickets, by_event)
    events = generator.events()
    for code in codes:
        if code["used_for"] == "event" and code["event_id"] is not None:
            events[code["event_id"] - 1]["discount_code_id"] = code["id"]
    return {
        "users": generator.users(),
        "events": events,
        "discount_codes": codes,
        "tickets": tickets,
        "orders": generator.orders(),
        "ticket_holders": generator.holders(tickets),
        "feedback": generator.feedback(),
        **generator.links(tickets),
    }
