"""Lists of tickets: an unknown parent is refused, through every door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oeventdb import InvalidArgument, NotFound
from tests.doors import Case, Door, every_door, meet

if TYPE_CHECKING:
    import psycopg

    from oeventdb import Error

LISTS = {
    "event_tickets": ("event_id", 2_000_000_000),
    "event_tickets_by_identifier": ("event_identifier", "nowhere"),
    "ticket_tag_tickets": ("ticket_tag_id", 2_000_000_000),
    "access_code_tickets": ("access_code_id", 2_000_000_000),
    "order_tickets": ("order_identifier", "nothing"),
}


def _case(function: str, argument: str, value: Any, error: type[Error]) -> Case:
    return Case(f"{function} of {value!r}", error, function, lambda _: {argument: value})


UNKNOWN = [_case(function, argument, value, NotFound) for function, (argument, value) in LISTS.items()]
NULL = [_case(function, argument, None, InvalidArgument) for function, (argument, _) in LISTS.items()]
BLANK = [
    _case(function, argument, " ", InvalidArgument)
    for function, (argument, value) in LISTS.items()
    if isinstance(value, str)
]


@every_door(UNKNOWN + NULL + BLANK)
def test_every_door_meets_the_same_refusal(
    case: Case, door: Door, shared_connection: psycopg.Connection
) -> None:
    meet(case, door, shared_connection)
