"""Every method against the real database, synchronous and asynchronous, with rows of the right types."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from oeventdb import AsyncClient, Client, rows
from tests import samples

Rows = list[Any]


class Place:
    """A small event to call the methods on."""

    def __init__(self, db: psycopg.Connection[Any]) -> None:
        self.user = samples.user(db)
        self.event = samples.event(db, identifier="abcd1234")
        self.ticket = samples.ticket(db, self.event, name="Standard", position=1, price=20.5)
        self.hidden = samples.ticket(db, self.event, name="Crew", position=2, is_hidden=True, quantity=None)
        self.holder = samples.insert(
            db, "ticket_holders", ticket_id=self.ticket, firstname="Ada", lastname="Lovelace"
        )
        self.code = samples.discount_code(db, self.event, code="TENOFF")
        self.access_code = samples.access_code(db, self.event, [self.hidden])
        self.tag = samples.insert(db, "ticket_tag", name="crew", event_id=self.event)
        db.execute("INSERT INTO association VALUES (%s, %s)", [self.hidden, self.tag])
        self.order = "6d6b5a2e-order"
        client = Client(db)
        lines = [{"ticket_id": self.ticket, "quantity": 2}]
        self.pending = client.place_order(event_id=self.event, lines=lines, email="a@example.org").identifier
        client.place_order(
            event_id=self.event, lines=lines, email="a@example.org", hold=timedelta(microseconds=1)
        )
        order = samples.insert(db, "orders", identifier=self.order, event_id=self.event, status="completed")
        db.execute("INSERT INTO orders_tickets VALUES (%s, %s, 1)", [order, self.ticket])


@dataclass(frozen=True)
class Call:
    """A call of a method, and what has to be true of its result."""

    method: str
    arguments: Callable[[Place], dict[str, Any]]
    expected: Callable[[Place, Any], bool]


def _ids(result: list[rows.Ticket]) -> list[int]:
    return [row.id for row in result]


VALID_TILL = datetime(2030, 1, 1, tzinfo=UTC)

CALLS = [
    Call("update_rating", lambda _: {"rating": " 4.3 "}, lambda _, r: r == Decimal("4.5")),
    Call("update_rating", lambda _: {"rating": None}, lambda _, r: r == 0),
    Call(
        "submit_feedback",
        lambda p: {"event_id": p.event, "user_id": p.user, "rating": "3.3", "comment": "å"},
        lambda p, r: (
            (r.event_id, r.user_id, r.session_id, r.rating, r.comment)
            == (p.event, p.user, None, Decimal("3.5"), "å")
        ),
    ),
    Call(
        "submit_feedback",
        lambda p: {"event_id": p.event, "user_id": p.user, "rating": "1", "comment": None, "session_id": 7},
        lambda _, r: (r.session_id, r.comment) == (7, None),
    ),
    Call(
        "event_rating",
        lambda p: {"event_id": p.event},
        lambda p, r: r == rows.EventRating(p.event, None, 0),
    ),
    Call(
        "add_ticket_holder",
        lambda p: {"ticket_id": p.ticket, "firstname": "Grace", "lastname": "Hopper"},
        lambda p, r: (
            (r.ticket_id, r.event_id, r.email) == (p.ticket, p.event, None) and r.admission_no in range(1, 11)
        ),
    ),
    Call(
        "add_ticket_holder",
        lambda p: {"ticket_id": p.ticket, "firstname": "G", "lastname": "H", "email": "g@example.org"},
        lambda _, r: r.email == "g@example.org",
    ),
    Call(
        "remove_ticket_holder",
        lambda p: {"ticket_holder_id": p.holder},
        lambda p, r: (r.id, r.firstname) == (p.holder, "Ada"),
    ),
    Call(
        "ticket_availability",
        lambda p: {"event_id": p.event},
        lambda p, r: (
            r
            == [
                rows.TicketAvailability(p.ticket, "Standard", 10, 5, 5),
                rows.TicketAvailability(p.hidden, "Crew", None, 0, None),
            ]
        ),
    ),
    Call(
        "create_discount_code",
        lambda p: {
            "event_id": p.event,
            "code": "HALF",
            "type": "percent",
            "value": Decimal("50.5"),
            "ticket_ids": (p.ticket, p.hidden),
            "tickets_number": 10,
            "max_quantity": 5,
            "valid_till": VALID_TILL,
        },
        lambda p, r: (
            (r.event_id, r.code, r.value, r.used_for, r.min_quantity, r.valid_till)
            == (p.event, "HALF", Decimal("50.5"), "ticket", 1, VALID_TILL)
        ),
    ),
    Call(
        "create_discount_code",
        lambda p: {"event_id": p.event, "code": "ALL", "type": "amount", "value": 5, "used_for": "event"},
        lambda _, r: (r.used_for, r.value, r.is_active) == ("event", 5, True),
    ),
    Call(
        "replace_discount_code_tickets",
        lambda p: {"discount_code_id": p.code, "ticket_ids": [p.hidden, p.ticket]},
        lambda p, r: _ids(r) == [p.ticket, p.hidden] and {t.discount_code_id for t in r} == {p.code},
    ),
    Call(
        "replace_discount_code_tickets",
        lambda p: {"discount_code_id": p.code, "ticket_ids": []},
        lambda _, r: r == [],
    ),
    Call("discount_code_tickets", lambda p: {"discount_code_id": p.code}, lambda _, r: r == []),
    Call(
        "delete_discount_code",
        lambda p: {"discount_code_id": p.code},
        lambda p, r: (r.id, r.code) == (p.code, "TENOFF"),
    ),
    Call(
        "event_tickets",
        lambda p: {"event_id": p.event},
        lambda p, r: _ids(r) == [p.ticket, p.hidden] and r[0].price == Decimal("20.5") and r[1].is_hidden,
    ),
    Call(
        "event_tickets_by_identifier",
        lambda _: {"event_identifier": "abcd1234"},
        lambda p, r: _ids(r) == [p.ticket, p.hidden],
    ),
    Call("ticket_tag_tickets", lambda p: {"ticket_tag_id": p.tag}, lambda p, r: _ids(r) == [p.hidden]),
    Call(
        "access_code_tickets",
        lambda p: {"access_code_id": p.access_code},
        lambda p, r: _ids(r) == [p.hidden],
    ),
    Call("order_tickets", lambda p: {"order_identifier": p.order}, lambda p, r: _ids(r) == [p.ticket]),
    Call(
        "quote_order",
        lambda p: {"event_id": p.event, "lines": [{"ticket_id": p.ticket, "quantity": 2}]},
        lambda p, r: (
            r == [rows.QuoteOrder(p.ticket, 2, Decimal("20.50"), Decimal(0), Decimal("41.00"), "USD")]
        ),
    ),
    Call(
        "place_order",
        lambda p: {
            "event_id": p.event,
            "lines": (
                {"ticket_id": p.ticket, "quantity": 1, "holders": [{"firstname": "A", "lastname": "B"}]},
            ),
            "email": "ada@example.org",
            "idempotency_key": "once",
            "hold": timedelta(minutes=5),
        },
        lambda p, r: (
            (r.event_id, r.status, r.amount, r.currency, r.email)
            == (p.event, "pending", Decimal("20.5"), "USD", "ada@example.org")
            and r.expires_at - r.created_at == timedelta(minutes=5)
        ),
    ),
    Call(
        "complete_order",
        lambda p: {"order_identifier": p.pending, "payment_reference": "bank 1"},
        lambda _, r: (r.status, r.payment_reference) == ("completed", "bank 1") and r.completed_at,
    ),
    Call(
        "cancel_order",
        lambda p: {"order_identifier": p.pending, "note": "changed my mind"},
        lambda _, r: (r.status, r.cancel_note) == ("cancelled", "changed my mind"),
    ),
    Call("expire_orders", lambda _: {}, lambda _, r: r == 1),
    Call("expire_orders", lambda _: {"batch": 1}, lambda _, r: r == 1),
    Call(
        "check_in",
        lambda p: {"ticket_holder_id": p.holder},
        lambda p, r: (r.id, r.is_checked_in) == (p.holder, True) and r.checkin_times,
    ),
    Call(
        "check_in",
        lambda p: {"ticket_holder_id": p.holder, "at": VALID_TILL},
        lambda _, r: r.checkin_times.startswith("2030-01-01"),
    ),
    Call(
        "undo_check_in",
        lambda p: {"ticket_holder_id": p.holder},
        lambda p, r: (r.id, r.is_checked_in) == (p.holder, False),
    ),
    Call(
        "search_documents",
        lambda _: {},
        lambda p, r: [d.document["name"] for d in r if d.event_id == p.event] == ["PyCon"],
    ),
]


def test_every_method_is_called() -> None:
    methods = {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")}
    assert methods == {call.method for call in CALLS}


@pytest.mark.parametrize("call", CALLS, ids=[f"{n}-{call.method}" for n, call in enumerate(CALLS)])
def test_method(call: Call, undone: psycopg.Connection) -> None:
    place = Place(undone)
    result = getattr(Client(undone), call.method)(**call.arguments(place))
    assert call.expected(place, result), result
    _check_types(Client, call.method, result)


def test_every_method_of_the_async_client(db: psycopg.Connection, dsn: str) -> None:
    """Each call in a transaction that is rolled back."""
    place = Place(db)

    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            client = AsyncClient(connection)
            for call in CALLS:
                result = await getattr(client, call.method)(**call.arguments(place))
                assert call.expected(place, result), (call.method, result)
                _check_types(AsyncClient, call.method, result)
                await connection.rollback()

    asyncio.run(work())


def _check_types(client: type, method: str, result: Any) -> None:
    """What came is what the annotations promise, NULLs included."""
    module = inspect.getmodule(client)
    returns = typing.get_type_hints(getattr(client, method), vars(module))["return"]
    found: Rows = result if typing.get_origin(returns) is list else [result]
    expected = typing.get_args(returns)[0] if typing.get_origin(returns) is list else returns
    for row in found:
        assert type(row) is expected
        if not dataclasses.is_dataclass(row):
            continue
        hints = typing.get_type_hints(type(row), vars(rows))
        for field in dataclasses.fields(row):
            if hints[field.name] is not Any:
                assert isinstance(getattr(row, field.name), hints[field.name]), (field.name, row)


def test_what_an_order_is_called_is_what_completing_or_cancelling_it_takes() -> None:
    called = typing.get_type_hints(rows.Order, vars(rows))["identifier"]
    for method in (Client.complete_order, Client.cancel_order):
        module = inspect.getmodule(Client)
        assert typing.get_type_hints(method, vars(module))["order_identifier"] == called
