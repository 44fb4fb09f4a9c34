"""ticket_availability: a row for each ticket of the event, with what is held and what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oeventdb import Client, InvalidArgument, NotFound
from tests import samples

if TYPE_CHECKING:
    import psycopg

    from tests.procedures.conftest import Refusal


def test_held_and_available_by_position_and_id(rules: psycopg.Connection) -> None:
    event, client = samples.event(rules), Client(rules)
    last = samples.ticket(rules, event, quantity=5, position=9, name="last")
    unlimited = samples.ticket(rules, event, quantity=None, position=2, name="unlimited")
    hidden = samples.ticket(rules, event, quantity=1, position=2, name="hidden", is_hidden=True, max_order=1)
    nowhere = samples.ticket(rules, event, quantity=3, position=None, name="nowhere")
    samples.ticket(rules, event, deleted_at=samples.NOW)
    samples.ticket(rules, samples.event(rules))
    for ticket in (last, last, unlimited, hidden):
        client.add_ticket_holder(ticket_id=ticket, firstname="A", lastname="B")
    dead = samples.insert(rules, "orders", identifier="dead", status="cancelled")
    samples.insert(rules, "ticket_holders", ticket_id=last, order_id=dead, firstname="A", lastname="B")
    found = [
        (row.ticket_id, row.name, row.quantity, row.held, row.available)
        for row in client.ticket_availability(event_id=event)
    ]
    assert found == [
        (unlimited, "unlimited", None, 1, None),
        (hidden, "hidden", 1, 1, 0),
        (last, "last", 5, 2, 3),
        (nowhere, "nowhere", 3, 0, 3),
    ]


def test_an_event_without_tickets_has_no_row_and_an_unknown_one_is_told(
    rules: psycopg.Connection, refused: Refusal
) -> None:
    client = Client(rules)
    assert client.ticket_availability(event_id=samples.event(rules)) == []
    gone = samples.event(rules, deleted_at=samples.NOW)
    for wrong in (gone, -1, 2**63 - 1):
        with refused(rules, NotFound, resource="event", id=wrong):
            client.ticket_availability(event_id=wrong)
    with refused(rules, InvalidArgument, argument="event_id"):
        rules.execute("SELECT * FROM oeventdb.ticket_availability(NULL)")
