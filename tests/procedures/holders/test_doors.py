"""Ticket holders: the same refusals through every door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oeventdb import CapacityBelowHeld, InvalidArgument, NotFound, SoldOut, WrongEvent
from tests.doors import Case, Door, every_door, meet, raw_case

if TYPE_CHECKING:
    import psycopg

INSERT_HOLDER = """
INSERT INTO ticket_holders (ticket_id, firstname, lastname)
VALUES (%(ticket_id)s, %(firstname)s, %(lastname)s)
"""

INSERT_NUMBERED = """
INSERT INTO ticket_holders (ticket_id, admission_no, firstname, lastname)
VALUES (%(ticket)s, %(number)s, 'Grace', 'Hopper')
"""

HOLDERS = [
    Case(
        "a holder too many",
        SoldOut,
        "add_ticket_holder",
        lambda w: {"ticket_id": w.sold_out, "firstname": "Grace", "lastname": "Hopper"},
        raw=INSERT_HOLDER,
    ),
    Case(
        "a holder of a ticket that is not there",
        NotFound,
        "add_ticket_holder",
        lambda w: {"ticket_id": w.nothing, "firstname": "Grace", "lastname": "Hopper"},
        raw=INSERT_HOLDER,
    ),
    Case(
        "a holder without a name",
        InvalidArgument,
        "add_ticket_holder",
        lambda w: {"ticket_id": w.ticket, "firstname": " ", "lastname": "Hopper"},
    ),
    Case(
        "a holder of no ticket",
        InvalidArgument,
        "add_ticket_holder",
        lambda _: {"ticket_id": None, "firstname": "Grace", "lastname": "Hopper"},
    ),
    Case(
        "removing a holder who is not there",
        NotFound,
        "remove_ticket_holder",
        lambda w: {"ticket_holder_id": w.nothing},
    ),
    Case(
        "the availability of an event that is not there",
        NotFound,
        "ticket_availability",
        lambda w: {"event_id": w.nothing},
    ),
]

RAW_WRITES = [
    raw_case(
        "an admission that is held",
        SoldOut,
        INSERT_NUMBERED,
        lambda w: {"ticket": w.sold_out, "number": 1},
    ),
    raw_case(
        "an admission beyond the quantity",
        SoldOut,
        INSERT_NUMBERED,
        lambda w: {"ticket": w.sold_out, "number": 2},
    ),
    raw_case(
        "a holder of a ticket of another event",
        WrongEvent,
        "INSERT INTO ticket_holders (ticket_id, event_id, firstname, lastname)"
        " VALUES (%(ticket)s, %(event)s, 'Grace', 'Hopper')",
        lambda w: {"ticket": w.ticket, "event": w.other_event},
    ),
    raw_case(
        "a holder moved to another event",
        WrongEvent,
        "UPDATE ticket_holders SET event_id = %(event)s WHERE ticket_id = %(ticket)s",
        lambda w: {"ticket": w.sold_out, "event": w.other_event},
    ),
    raw_case(
        "a holder moved to a ticket that is sold out",
        SoldOut,
        "INSERT INTO ticket_holders (ticket_id, firstname, lastname) VALUES (%(ticket)s, 'Grace', 'Hopper');"
        " UPDATE ticket_holders SET ticket_id = %(sold_out)s WHERE ticket_id = %(ticket)s",
        lambda w: {"ticket": w.ticket, "sold_out": w.sold_out},
    ),
    raw_case(
        "a quantity below what is held",
        CapacityBelowHeld,
        "UPDATE tickets SET quantity = 0 WHERE id = %(ticket)s",
        lambda w: {"ticket": w.sold_out},
    ),
    raw_case(
        "a negative quantity",
        InvalidArgument,
        "UPDATE tickets SET quantity = -1 WHERE id = %(ticket)s",
        lambda w: {"ticket": w.ticket},
    ),
    raw_case(
        "deleting a ticket that has holders",
        CapacityBelowHeld,
        "DELETE FROM tickets WHERE id = %(ticket)s",
        lambda w: {"ticket": w.sold_out},
    ),
    raw_case(
        "deleting a ticket that is in an order",
        CapacityBelowHeld,
        "INSERT INTO orders (id, identifier) VALUES (%(ticket)s, gen_random_uuid());"
        " INSERT INTO orders_tickets (order_id, ticket_id, quantity) VALUES (%(ticket)s, %(ticket)s, 1);"
        " DELETE FROM tickets WHERE id = %(ticket)s",
        lambda w: {"ticket": w.ticket},
    ),
]


@every_door(HOLDERS + RAW_WRITES)
def test_every_door_meets_the_same_refusal(
    case: Case, door: Door, shared_connection: psycopg.Connection
) -> None:
    meet(case, door, shared_connection)
