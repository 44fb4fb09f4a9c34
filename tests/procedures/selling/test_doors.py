"""Selling: the same refusals through the function and the clients, and what a raw write meets."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from oeventdb import (
    AccessCodeInvalid,
    AccessCodeRequired,
    AlreadyCheckedIn,
    CapacityBelowHeld,
    DiscountCodeInvalid,
    DiscountCodeQuantity,
    DiscountCodeUsedUp,
    DiscountCodeWrongKind,
    Error,
    IdempotencyConflict,
    InvalidArgument,
    NotFound,
    NotOnSale,
    OrderExpired,
    OrderLimits,
    OrderState,
    SoldOut,
    WrongEvent,
)
from tests import samples
from tests.doors import Case, Door, World, every_door, meet, raw_case

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

YESTERDAY = samples.NOW - timedelta(days=1)


def _order(ticket: int, quantity: int = 1, **line: Any) -> dict[str, Any]:
    return {"lines": [{"ticket_id": ticket, "quantity": quantity, **line}], "email": "ada@example.org"}


def _buy(name: str, error: type[Error], order: Callable[[World], dict[str, Any]]) -> list[Case]:
    """An order that place_order refuses, and quote_order likewise."""

    def placed(w: World) -> dict[str, Any]:
        return {"event_id": w.event} | order(w)

    def quoted(w: World) -> dict[str, Any]:
        return {key: value for key, value in placed(w).items() if key != "email"}

    return [
        Case(f"{name}, place_order", error, "place_order", placed),
        Case(f"{name}, quote_order", error, "quote_order", quoted),
    ]


def _with_discount(w: World, quantity: int = 1, **columns: Any) -> dict[str, Any]:
    """An order with a discount code of which these columns are changed."""
    if columns:
        w.tweak("discount_codes", w.code, **columns)
    w.tweak("tickets", w.ticket, discount_code_id=w.code)
    return _order(w.ticket, quantity) | {"discount_code": w.code_text}


def _with_access(w: World, **columns: Any) -> dict[str, Any]:
    """An order of the hidden ticket with an access code of which these columns are changed."""
    text = f"DOOR{w.hidden}"
    w.access_code(text, **columns)
    return _order(w.hidden) | {"access_code": text}


SALES = [
    *_buy("more than is left", SoldOut, lambda w: _order(w.sold_out)),
    *_buy("too few seats", OrderLimits, lambda w: _order(w.tweak("tickets", w.ticket, min_order=2))),
    *_buy("too many seats", OrderLimits, lambda w: _order(w.ticket, 11)),
    *_buy("a ticket that is not there", NotFound, lambda w: _order(w.nothing)),
    *_buy(
        "a ticket that is not there, with a code",
        NotFound,
        lambda w: _order(w.nothing) | {"discount_code": w.code_text},
    ),
    *_buy("an event that is not there", NotFound, lambda w: {"event_id": w.nothing} | _order(w.ticket)),
    *_buy("a ticket of another event", WrongEvent, lambda w: _order(w.other_ticket)),
    *_buy(
        "a sale that is over",
        NotOnSale,
        lambda w: _order(w.tweak("tickets", w.ticket, sales_ends_at=YESTERDAY)),
    ),
    *_buy(
        "a sale that has not begun",
        NotOnSale,
        lambda w: _order(w.tweak("tickets", w.ticket, sales_starts_at=samples.NOW + timedelta(days=1))),
    ),
    *_buy(
        "an event that is not published",
        NotOnSale,
        lambda w: {"event_id": w.tweak("events", w.event, state="draft")} | _order(w.ticket),
    ),
    *_buy("no lines", InvalidArgument, lambda _: {"lines": [], "email": "ada@example.org"}),
    *_buy("no seats", InvalidArgument, lambda w: _order(w.ticket, 0)),
    *_buy("a price for what is no donation", InvalidArgument, lambda w: _order(w.ticket, 1, price=1)),
]

CODES = [
    *_buy("a hidden ticket", AccessCodeRequired, lambda w: _order(w.hidden)),
    *_buy(
        "an access code that is unknown",
        AccessCodeInvalid,
        lambda w: _order(w.hidden) | {"access_code": "sesame"},
    ),
    *_buy("an inactive access code", AccessCodeInvalid, lambda w: _with_access(w, is_active=False)),
    *_buy("an access code of the past", AccessCodeInvalid, lambda w: _with_access(w, valid_till=YESTERDAY)),
    *_buy("an access code for more seats", AccessCodeInvalid, lambda w: _with_access(w, min_quantity=2)),
    *_buy("an access code without uses", AccessCodeInvalid, lambda w: _with_access(w, tickets_number=0)),
    *_buy(
        "a discount code that is unknown",
        DiscountCodeInvalid,
        lambda w: _order(w.ticket) | {"discount_code": "LESS"},
    ),
    *_buy(
        "a discount code for other tickets",
        DiscountCodeInvalid,
        lambda w: _order(w.ticket) | {"discount_code": w.code_text},
    ),
    *_buy("an inactive discount code", DiscountCodeInvalid, lambda w: _with_discount(w, is_active=False)),
    *_buy(
        "a discount code of the past",
        DiscountCodeInvalid,
        lambda w: _with_discount(w, valid_till=YESTERDAY),
    ),
    *_buy("too few seats for the code", DiscountCodeQuantity, lambda w: _with_discount(w, min_quantity=2)),
    *_buy(
        "too many seats for the code", DiscountCodeQuantity, lambda w: _with_discount(w, 3, max_quantity=2)
    ),
    *_buy("more uses than are left", DiscountCodeUsedUp, lambda w: _with_discount(w, 3, tickets_number=2)),
    *_buy(
        "a discount code of kind event",
        DiscountCodeWrongKind,
        lambda w: _order(w.ticket) | {"discount_code": w.event_code_text},
    ),
]


def _repeated(w: World) -> dict[str, Any]:
    """Another request under a key that was used."""
    key = f"key {w.event}"
    w.place(**_order(w.ticket), idempotency_key=key)
    return {"event_id": w.event, **_order(w.ticket, 2), "idempotency_key": key}


def _checked_in(w: World) -> dict[str, Any]:
    holder = w.holder()
    w.tweak("ticket_holders", holder, is_checked_in=True)
    return {"ticket_holder_id": holder}


def _too_late(w: World) -> dict[str, Any]:
    """An order that expired, and then its seat was sold."""
    w.tweak("tickets", w.ticket, quantity=1, max_order=1)
    identifier = w.order("expired")
    w.holder()
    return {"order_identifier": identifier}


LIFE = [
    Case("a key used for another request", IdempotencyConflict, "place_order", _repeated),
    Case("a payment too late", OrderExpired, "complete_order", _too_late),
    Case("a second check-in", AlreadyCheckedIn, "check_in", _checked_in),
    Case(
        "an address that is none",
        InvalidArgument,
        "place_order",
        lambda w: {"event_id": w.event, **_order(w.ticket), "email": "nobody"},
    ),
    Case(
        "a hold without end",
        InvalidArgument,
        "place_order",
        lambda w: {"event_id": w.event, **_order(w.ticket), "hold": timedelta(days=31)},
    ),
    Case("no batch", InvalidArgument, "expire_orders", lambda _: {"batch": 0}),
    *(
        Case(
            f"{function} of an order that is {status}",
            OrderState,
            function,
            lambda w, status=status: {"order_identifier": w.order(status)},  # type: ignore[misc]
        )
        for function, statuses in {
            "complete_order": ("completed", "cancelled", "deleted"),
            "cancel_order": ("completed", "cancelled", "expired", "deleted"),
        }.items()
        for status in statuses
    ),
    *(
        Case(f"{function} of what is not there", NotFound, function, arguments)
        for function, arguments in {
            "complete_order": lambda _: {"order_identifier": "nothing"},
            "cancel_order": lambda _: {"order_identifier": "nothing"},
            "check_in": lambda w: {"ticket_holder_id": w.nothing},
            "undo_check_in": lambda w: {"ticket_holder_id": w.nothing},
        }.items()
    ),
]

RAW_WRITES = [
    raw_case(
        "a discount code used more often than it may be",
        DiscountCodeUsedUp,
        "UPDATE discount_codes SET tickets_number = 1 WHERE id = %(code)s;"
        " UPDATE discount_codes SET used_number = 2 WHERE id = %(code)s",
        lambda w: {"code": w.code},
    ),
    raw_case(
        "an order that uses a discount code more often than it may be",
        DiscountCodeUsedUp,
        "UPDATE discount_codes SET tickets_number = 1 WHERE id = %(code)s;"
        " INSERT INTO orders (identifier, discount_code_id, discount_seats) VALUES ('door', %(code)s, 2)",
        lambda w: {"code": w.code},
    ),
    raw_case(
        "an access code used more often than it may be",
        AccessCodeInvalid,
        "INSERT INTO access_codes (event_id, code, tickets_number) VALUES (%(event)s, 'DOOR', 1);"
        " UPDATE access_codes SET used_number = 2 WHERE event_id = %(event)s",
        lambda w: {"event": w.event},
    ),
    raw_case(
        "an order that uses an access code more often than it may be",
        AccessCodeInvalid,
        "INSERT INTO access_codes (event_id, code, tickets_number) VALUES (%(event)s, 'DOOR', 1);"
        " INSERT INTO orders (identifier, access_code_id, access_seats)"
        " SELECT 'door', c.id, 2 FROM access_codes AS c WHERE c.event_id = %(event)s",
        lambda w: {"event": w.event},
    ),
    raw_case(
        "fewer than no seats of a code",
        InvalidArgument,
        "UPDATE orders SET discount_seats = -1 WHERE identifier = %(order)s",
        lambda w: {"order": w.order()},
    ),
    raw_case(
        "an order with an access code that is not there",
        NotFound,
        "UPDATE orders SET access_code_id = %(nothing)s WHERE identifier = %(order)s",
        lambda w: {"order": w.order(), "nothing": w.nothing},
    ),
    raw_case(
        "an expired order that comes to life when its seat is sold",
        SoldOut,
        "UPDATE orders SET status = 'completed' WHERE identifier = %(order_identifier)s",
        _too_late,
    ),
    raw_case(
        "a quantity below what orders hold",
        CapacityBelowHeld,
        "UPDATE tickets SET quantity = 0 WHERE id = %(ticket)s",
        lambda w: {"order": w.order(), "ticket": w.ticket},
    ),
]


@every_door(SALES + CODES + LIFE + RAW_WRITES)
def test_every_door_meets_the_same_refusal(
    case: Case, door: Door, shared_connection: psycopg.Connection
) -> None:
    meet(case, door, shared_connection)
