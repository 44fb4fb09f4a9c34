"""Discount codes and their tickets: the same refusals through every door."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from oeventdb import (
    DiscountCodeDefinition,
    DiscountCodeUsedUp,
    DiscountCodeWrongKind,
    InvalidArgument,
    NotFound,
    WrongEvent,
)
from tests import samples
from tests.doors import Case, Door, every_door, meet, raw_case

if TYPE_CHECKING:
    import psycopg

UPDATE_TICKET = "UPDATE tickets SET discount_code_id = %(discount_code_id)s WHERE id = ANY (%(ticket_ids)s)"

INSERT_CODE = """
INSERT INTO discount_codes (event_id, code, type, value, used_for, is_active, min_quantity)
VALUES (%(event_id)s, %(code)s, %(type)s, %(value)s, 'ticket', true, 1)
"""


def _defined(name: str, **fields: Any) -> Case:
    """A definition that is not allowed."""
    arguments = {"code": "NEW", "type": "percent", "value": Decimal(10)} | fields
    return Case(
        name,
        DiscountCodeDefinition,
        "create_discount_code",
        lambda w: {"event_id": w.event} | arguments,
        raw=f"INSERT INTO discount_codes ({', '.join(['event_id', 'used_for', *arguments])})"
        f" VALUES (%(event_id)s, 'ticket', {', '.join(f'%({field})s' for field in arguments)})",
    )


DEFINITIONS = [
    _defined("a percentage above 100", value=Decimal("100.01")),
    _defined("a negative percentage", value=Decimal("-0.01")),
    _defined("a negative amount", type="amount", value=Decimal(-1)),
    _defined("a value that is no number", value=Decimal("NaN")),
    _defined("a minimum above the maximum", min_quantity=3, max_quantity=2),
    _defined("a negative minimum", min_quantity=-1),
    _defined("fewer uses than the maximum", tickets_number=4, max_quantity=5),
    _defined("a negative number of uses", tickets_number=-1),
    _defined("an end before the start", valid_from=samples.NOW, valid_till=samples.NOW - timedelta(days=1)),
    _defined("an end at the start", valid_from=samples.NOW, valid_till=samples.NOW),
    Case(
        "a code that the event has, in other case",
        DiscountCodeDefinition,
        "create_discount_code",
        lambda w: {"event_id": w.event, "code": w.code_text.swapcase(), "type": "percent", "value": 5},
        raw=INSERT_CODE,
    ),
    Case(
        "an amount above the price of a ticket",
        DiscountCodeDefinition,
        "replace_discount_code_tickets",
        lambda w: {"discount_code_id": w.large_code, "ticket_ids": [w.ticket]},
        raw=UPDATE_TICKET,
    ),
    Case(
        "a type that is none",
        InvalidArgument,
        "create_discount_code",
        lambda w: {"event_id": w.event, "code": "NEW", "type": "gift", "value": 5},
        raw=INSERT_CODE,
    ),
    Case(
        "a code without text",
        InvalidArgument,
        "create_discount_code",
        lambda w: {"event_id": w.event, "code": " ", "type": "percent", "value": 5},
        raw=INSERT_CODE,
    ),
    Case(
        "a code for an event that is not there",
        NotFound,
        "create_discount_code",
        lambda w: {"event_id": w.nothing, "code": "NEW", "type": "percent", "value": 5},
    ),
]

LINKS = [
    Case(
        "a ticket of another event",
        WrongEvent,
        "replace_discount_code_tickets",
        lambda w: {"discount_code_id": w.code, "ticket_ids": [w.other_ticket]},
    ),
    Case(
        "a code of kind event",
        DiscountCodeWrongKind,
        "replace_discount_code_tickets",
        lambda w: {"discount_code_id": w.event_code, "ticket_ids": [w.ticket]},
        raw=UPDATE_TICKET,
    ),
    Case(
        "a ticket that is not there",
        NotFound,
        "replace_discount_code_tickets",
        lambda w: {"discount_code_id": w.code, "ticket_ids": [w.nothing]},
    ),
    Case(
        "no list of tickets",
        InvalidArgument,
        "replace_discount_code_tickets",
        lambda w: {"discount_code_id": w.code, "ticket_ids": None},
    ),
    *(
        Case(f"{function} of a code that is not there", NotFound, function, arguments)
        for function, arguments in {
            "replace_discount_code_tickets": lambda w: {"discount_code_id": w.nothing, "ticket_ids": []},
            "discount_code_tickets": lambda w: {"discount_code_id": w.nothing},
            "delete_discount_code": lambda w: {"discount_code_id": w.nothing},
        }.items()
    ),
]

RAW_WRITES = [
    raw_case(
        "a code that changes its kind",
        DiscountCodeWrongKind,
        "UPDATE discount_codes SET used_for = 'event' WHERE id = %(code)s",
        lambda w: {"code": w.code},
    ),
    raw_case(
        "a kind that is none",
        InvalidArgument,
        "INSERT INTO discount_codes (event_id, code, type, value, used_for)"
        " VALUES (%(event)s, 'NEW', 'percent', 5, 'gift')",
        lambda w: {"event": w.event},
    ),
    raw_case(
        "a new code that has been used",
        DiscountCodeUsedUp,
        "INSERT INTO discount_codes (event_id, code, type, value, used_for, tickets_number, used_number)"
        " VALUES (%(event)s, 'NEW', 'percent', 5, 'ticket', 9, 1)",
        lambda w: {"event": w.event},
    ),
    raw_case(
        "a ticket that calls its code's kind otherwise",
        DiscountCodeWrongKind,
        "UPDATE tickets SET discount_code_used_for = 'event' WHERE id = %(ticket)s",
        lambda w: {"ticket": w.ticket},
    ),
    raw_case(
        "a code for an event that does not exist any more",
        NotFound,
        "UPDATE events SET discount_code_id = %(nothing)s WHERE id = %(event)s",
        lambda w: {"event": w.event, "nothing": w.nothing},
    ),
    raw_case(
        "an amount raised above the price of a ticket",
        DiscountCodeDefinition,
        "UPDATE tickets SET discount_code_id = %(code)s WHERE id = %(ticket)s;"
        " UPDATE discount_codes SET type = 'amount', value = 1000 WHERE id = %(code)s",
        lambda w: {"code": w.code, "ticket": w.ticket},
    ),
]


@every_door(DEFINITIONS + LINKS + RAW_WRITES)
def test_every_door_meets_the_same_refusal(
    case: Case, door: Door, shared_connection: psycopg.Connection
) -> None:
    meet(case, door, shared_connection)
