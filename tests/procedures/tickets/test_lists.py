"""The lists of tickets: an unknown parent is told, a known one without tickets has no row, hidden ones are listed too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from oeventdb import Client, InvalidArgument, NotFound
from tests import samples

Connection = psycopg.Connection[Any]
Refusal = Callable[..., Any]

HOSTILE = ["'; DROP TABLE tickets; --", '"', "\\", "%", "_", "0", "\u202e😀\u0001", "NULL", "x" * 1_000_000]


@dataclass(frozen=True)
class List:
    """A function that lists tickets: what it lists them by, and how a ticket gets into the list."""

    function: str
    argument: str
    resource: str
    parent: Callable[[Connection, int], Any]
    put_in: Callable[[Connection, Any, int], object]
    by_text: bool = False

    def ids(self, connection: Connection, parent: Any) -> list[int]:
        """The ids that it lists."""
        return [ticket.id for ticket in self.rows(connection, parent)]

    def rows(self, connection: Connection, parent: Any) -> list[Any]:
        """The tickets that it lists."""
        rows: list[Any] = getattr(Client(connection), self.function)(**{self.argument: parent})
        return rows


def identifier(connection: Connection, event_id: int) -> str:
    row = connection.execute("SELECT identifier FROM events WHERE id = %s", [event_id]).fetchone()
    assert row is not None
    return str(row[0])


def order(connection: Connection, event_id: int) -> str:
    samples.insert(connection, "orders", identifier=f"order of {event_id}", event_id=event_id)
    return f"order of {event_id}"


LISTS = [
    List("event_tickets", "event_id", "event", lambda _, event: event, lambda *_: None),
    List(
        "event_tickets_by_identifier", "event_identifier", "event", identifier, lambda *_: None, by_text=True
    ),
    List(
        "ticket_tag_tickets",
        "ticket_tag_id",
        "ticket_tag",
        lambda c, event: samples.insert(c, "ticket_tag", name="tag", event_id=event),
        lambda c, tag, ticket: c.execute(
            # as old rows are: doubled, and half empty
            "INSERT INTO association VALUES (%(ticket)s, %(tag)s), (%(ticket)s, %(tag)s), (NULL, %(tag)s), (%(ticket)s, NULL)",
            {"tag": tag, "ticket": ticket},
        ),
    ),
    List(
        "access_code_tickets",
        "access_code_id",
        "access_code",
        lambda c, event: samples.access_code(c, event, []),
        lambda c, code, ticket: c.execute("INSERT INTO access_codes_tickets VALUES (%s, %s)", [code, ticket]),
    ),
    List(
        "discount_code_tickets",
        "discount_code_id",
        "discount_code",
        samples.discount_code,
        lambda c, code, ticket: c.execute(
            "UPDATE tickets SET discount_code_id = %s WHERE id = %s", [code, ticket]
        ),
    ),
    List(
        "order_tickets",
        "order_identifier",
        "order",
        order,
        lambda c, name, ticket: c.execute(
            "INSERT INTO orders_tickets SELECT id, %s, 1 FROM orders WHERE identifier = %s", [ticket, name]
        ),
        by_text=True,
    ),
]

DELETABLE = {"event": "events", "discount_code": "discount_codes", "access_code": "access_codes"}

each_list = pytest.mark.parametrize("listing", LISTS, ids=lambda listing: listing.function)


@each_list
def test_a_known_parent_without_tickets_has_no_row(rules: Connection, listing: List) -> None:
    event = samples.event(rules)
    parent = listing.parent(rules, event)
    assert listing.ids(rules, parent) == []
    gone = samples.ticket(rules, event, deleted_at=samples.NOW)
    listing.put_in(rules, parent, gone)
    assert listing.ids(rules, parent) == []


@each_list
def test_tickets_come_by_position_and_id_hidden_ones_too_each_once(rules: Connection, listing: List) -> None:
    event, elsewhere = samples.event(rules), samples.event(rules)
    parent = listing.parent(rules, event)
    nowhere, third, first, second = (
        samples.ticket(rules, event, position=position, is_hidden=hidden)
        for position, hidden in ((None, False), (2, True), (-1, None), (2, False))
    )
    other = samples.ticket(rules, elsewhere, position=0)
    listing.put_in(rules, listing.parent(rules, elsewhere), other)
    for ticket in (second, nowhere, third, first):
        listing.put_in(rules, parent, ticket)
    assert listing.ids(rules, parent) == [first, third, second, nowhere]
    assert [row.is_hidden for row in listing.rows(rules, parent)] == [True, True, False, False]


@each_list
def test_a_row_says_what_the_ticket_is(rules: Connection, listing: List) -> None:
    event = samples.event(rules)
    parent = listing.parent(rules, event)
    ticket = samples.ticket(
        rules,
        event,
        name="Früh 😀",
        description="d",
        type="donation",
        price=0.1,
        quantity=None,
        min_order=None,
    )
    listing.put_in(rules, parent, ticket)
    (row,) = listing.rows(rules, parent)
    assert (row.id, row.event_id, row.name, row.description, row.type) == (
        ticket,
        event,
        "Früh 😀",
        "d",
        "donation",
    )
    assert (row.price, row.quantity, row.min_order, row.max_order) == (Decimal("0.1"), None, None, 10)
    assert row.discount_code_id == (parent if listing.resource == "discount_code" else None)
    assert row.sales_starts_at < row.sales_ends_at


@each_list
def test_an_unknown_parent_is_told(rules: Connection, refused: Refusal, listing: List) -> None:
    wrong = HOSTILE if listing.by_text else [-1, 0, 2**63 - 1, -(2**63)]
    for value in wrong:
        detail = value[:100] if isinstance(value, str) else value
        with refused(rules, NotFound, resource=listing.resource, id=detail) as caught:
            listing.ids(rules, value)
        assert len(str(caught.value)) < 200
    with refused(rules, InvalidArgument, argument=listing.argument, reason="is NULL"):
        rules.execute(f"SELECT * FROM oeventdb.{listing.function}(NULL)".encode())
    if listing.by_text:
        for blank in ("", " ", "\t\n\r\f\v"):
            with refused(rules, InvalidArgument, argument=listing.argument, reason="is empty"):
                listing.ids(rules, blank)


@pytest.mark.parametrize(
    "listing",
    [listing for listing in LISTS if listing.resource in DELETABLE],
    ids=lambda listing: listing.function,
)
def test_a_deleted_parent_is_unknown(rules: Connection, refused: Refusal, listing: List) -> None:
    event = samples.event(rules)
    parent = listing.parent(rules, event)
    listing.put_in(rules, parent, samples.ticket(rules, event))
    rules.execute(f"UPDATE {DELETABLE[listing.resource]} SET deleted_at = now()".encode())
    with refused(rules, NotFound, resource=listing.resource, id=parent):
        listing.ids(rules, parent)


def test_of_old_events_that_share_an_identifier_the_first_live_one_is_meant(rules: Connection) -> None:
    deleted = samples.event(rules, identifier="shared", deleted_at=samples.NOW)
    first, second = (samples.event(rules, identifier="shared") for _ in range(2))
    tickets = [samples.ticket(rules, event) for event in (deleted, first, second)]
    found = Client(rules).event_tickets_by_identifier(event_identifier="shared")
    assert [ticket.id for ticket in found] == [tickets[1]]
