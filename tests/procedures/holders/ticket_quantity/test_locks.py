"""Who locks a ticket and then moves, deletes or shrinks it, and who buys it at that moment, never wait for each other in a circle."""

from __future__ import annotations

import json

import pytest

from tests import samples
from tests.procedures import invariants
from tests.procedures.sessions import READ_COMMITTED, Session, Stage, outcome

LOCK = "SELECT FROM tickets WHERE id = %(ticket)s FOR UPDATE"
CHANGES = {
    "moved": ("UPDATE tickets SET event_id = %(abroad)s WHERE id = %(ticket)s", "OE105"),
    "deleted": ("DELETE FROM tickets WHERE id = %(ticket)s", "OE404"),
    "shrunk": ("UPDATE tickets SET quantity = 2 WHERE id = %(ticket)s", "done"),
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
    statement, ended = CHANGES[change]
    organizer, buyer = stage.two(READ_COMMITTED)
    organizer.run(LOCK, names)
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
    organizer.run(CHANGES["deleted"][0], names)
    organizer.commit()
    assert outcome(buying) == "OE404"
