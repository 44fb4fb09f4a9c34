"""Who locks a ticket or its event and then changes it, and who buys it at that moment, never wait for each other in a circle."""

from __future__ import annotations

import json

import pytest

from tests import samples
from tests.procedures import invariants
from tests.procedures.sessions import READ_COMMITTED, Session, Stage, outcome

LOCK = "SELECT FROM tickets WHERE id = %(ticket)s FOR UPDATE"
LOCK_EVENT = "SELECT FROM events WHERE id = %(event)s FOR UPDATE"
CHANGES = {
    "moved": (LOCK, "UPDATE tickets SET event_id = %(abroad)s WHERE id = %(ticket)s", "OE105"),
    "deleted": (LOCK, "DELETE FROM tickets WHERE id = %(ticket)s", "OE404"),
    "shrunk": (LOCK, "UPDATE tickets SET quantity = 2 WHERE id = %(ticket)s", "done"),
    "event deleted": (LOCK_EVENT, "DELETE FROM events WHERE id = %(event)s", "OE404"),
}
BUYS = {
    "order": "SELECT FROM oeventdb.place_order(%(event)s, %(one)s, 'ada@example.org')",
    "order of two": "SELECT FROM oeventdb.place_order(%(event)s, %(two)s, 'ada@example.org')",
    "holder": "SELECT FROM oeventdb.add_ticket_holder(%(ticket)s, 'Ada', 'Lovelace')",
    "row": "INSERT INTO ticket_holders (ticket_id, firstname, lastname) VALUES (%(ticket)s, 'Ada', 'Lovelace')",
    "chosen": "INSERT INTO ticket_holders (ticket_id, admission_no, firstname, lastname) VALUES (%(ticket)s, 1, 'A', 'B')",
}


@pytest.mark.parametrize("buy", BUYS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_buyer_waits_and_then_finds_the_ticket_as_it_is(
    stage: Stage, setup: Session, event: int, change: str, buy: str
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=3)
    names = {
        "event": event,
        "abroad": samples.event(setup.connection),
        "ticket": ticket,
        "one": json.dumps([{"ticket_id": ticket, "quantity": 1}]),
        "two": json.dumps([{"ticket_id": ticket, "quantity": 2}]),
    }
    lock, statement, ended = CHANGES[change]
    organizer, buyer = stage.two(READ_COMMITTED)
    organizer.run(lock, names)
    buying = buyer.start(BUYS[buy], names)
    stage.blocked(buyer, buying, by=organizer)
    organizer.run(statement, names)
    organizer.commit()
    assert outcome(buying) == ended
    buyer.finish(ended)
    assert invariants.broken(setup.connection) == []


def test_a_buyer_who_waits_for_an_admission_keeps_nobody_from_the_ticket(
    stage: Stage, setup: Session, event: int
) -> None:
    ticket = samples.ticket(setup.connection, event, quantity=1)
    names = {"ticket": ticket}
    setup.run(BUYS["holder"], names)
    organizer, buyer = stage.two(READ_COMMITTED)
    organizer.run("DELETE FROM ticket_holders WHERE ticket_id = %(ticket)s", names)
    buying = buyer.start(BUYS["holder"], names)
    stage.blocked(buyer, buying, by=organizer)
    organizer.run(CHANGES["deleted"][1], names)
    organizer.commit()
    assert outcome(buying) == "OE404"


def test_who_deletes_an_event_and_who_buys_with_a_code_of_it_lock_the_event_first(
    stage: Stage, setup: Session, event: int
) -> None:
    names = {"event": event, "ticket": samples.ticket(setup.connection, event, quantity=3)}
    setup.run(
        "SELECT FROM oeventdb.create_discount_code(%(event)s, 'HALF', 'percent', 50, ticket_ids => ARRAY[%(ticket)s], tickets_number => 9)",
        names,
    )
    organizer, buyer = stage.two(READ_COMMITTED)
    organizer.run(LOCK_EVENT, names)
    buying = buyer.start(
        "SELECT FROM oeventdb.place_order(%(event)s, %(lines)s, 'ada@example.org', discount_code => 'HALF')",
        {**names, "lines": json.dumps([{"ticket_id": names["ticket"], "quantity": 1}])},
    )
    stage.blocked(buyer, buying, by=organizer)
    organizer.run(CHANGES["event deleted"][1], names)
    organizer.commit()
    assert outcome(buying) == "OE404"
