"""Removing a holder, by whatever way, frees its admission at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oeventdb import CapacityBelowHeld, Client, InvalidArgument, NotFound
from tests import samples
from tests.procedures import invariants

if TYPE_CHECKING:
    import psycopg

    from tests.procedures.conftest import Refusal


def test_the_row_removed_is_returned_and_its_number_sold_again(rules: psycopg.Connection) -> None:
    ticket, client = samples.ticket(rules, samples.event(rules), quantity=1, max_order=1), Client(rules)
    one = client.add_ticket_holder(
        ticket_id=ticket, firstname="Ada", lastname="Lovelace", email="a@example.org"
    )
    assert client.remove_ticket_holder(ticket_holder_id=one.id) == one
    other = client.add_ticket_holder(ticket_id=ticket, firstname="Grace", lastname="Hopper")
    assert other.admission_no == 1
    assert invariants.broken(rules) == []


def test_a_holder_who_is_not_there_is_told(rules: psycopg.Connection, refused: Refusal) -> None:
    for wrong in (-1, 0, 2**63 - 1):
        with refused(rules, NotFound, resource="ticket_holder", id=wrong):
            Client(rules).remove_ticket_holder(ticket_holder_id=wrong)
    with refused(rules, InvalidArgument, argument="ticket_holder_id"):
        rules.execute("SELECT * FROM oeventdb.remove_ticket_holder(NULL)")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ticket_holders WHERE ticket_id = %(ticket)s",
        "DELETE FROM orders WHERE id = %(order)s",
        "UPDATE ticket_holders SET ticket_id = NULL WHERE ticket_id = %(ticket)s",
    ],
)
def test_every_way_out_frees_the_admission(rules: psycopg.Connection, statement: str) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=3)
    order = samples.insert(rules, "orders", identifier="an order", status="completed")
    for _ in range(3):
        samples.insert(rules, "ticket_holders", ticket_id=ticket, order_id=order, firstname="A", lastname="B")
    rules.execute(statement.encode(), {"ticket": ticket, "order": order})
    assert invariants.broken(rules) == []
    for _ in range(3):
        Client(rules).add_ticket_holder(ticket_id=ticket, firstname="A", lastname="B")


def test_a_ticket_with_holders_or_orders_cannot_be_deleted(
    rules: psycopg.Connection, refused: Refusal
) -> None:
    event = samples.event(rules)
    held, ordered, plain = (samples.ticket(rules, event) for _ in range(3))
    samples.insert(rules, "ticket_holders", ticket_id=held, firstname="A", lastname="B")
    order = samples.insert(rules, "orders", identifier="an order", status="cancelled")
    rules.execute("INSERT INTO orders_tickets VALUES (%s, %s, 1)", [order, ordered])
    for ticket, constraint in ((held, "ticket_holders_ticket"), (ordered, "orders_tickets_ticket")):
        with refused(rules, CapacityBelowHeld) as caught:
            rules.execute("DELETE FROM tickets WHERE id = %s", [ticket])
        assert caught.value.constraint == constraint
    rules.execute("DELETE FROM tickets WHERE id = %s", [plain])
    left = rules.execute(
        "SELECT (SELECT count(*) FROM oeventdb_internal.admissions WHERE ticket_id = %(id)s)"
        " + (SELECT count(*) FROM oeventdb_internal.free_admissions WHERE ticket_id = %(id)s)"
        " + (SELECT count(*) FROM oeventdb_internal.admission_ranges WHERE ticket_id = %(id)s)",
        {"id": plain},
    ).fetchone()
    assert left == (0,)


def test_deleting_an_event_takes_its_tickets_and_holders_as_it_always_did(rules: psycopg.Connection) -> None:
    event = samples.event(rules)
    ticket = samples.ticket(rules, event, quantity=5000)
    samples.insert(rules, "ticket_holders", ticket_id=ticket, firstname="A", lastname="B")
    rules.execute("DELETE FROM events WHERE id = %s", [event])
    row = rules.execute("SELECT count(*) FROM ticket_holders WHERE ticket_id = %s", [ticket]).fetchone()
    assert row == (0,)
    assert invariants.broken(rules) == []


def test_giving_back_the_admissions_of_many_tickets_takes_a_bounded_number_of_locks(
    rules: psycopg.Connection,
) -> None:
    event, count = samples.event(rules), 1500
    rules.execute(
        "INSERT INTO tickets (name, type, quantity, event_id, sales_starts_at, sales_ends_at)"
        " SELECT 'many ' || n, 'free', 1, %s, now(), now() FROM generate_series(1, %s) AS n",
        [event, count],
    )
    rules.execute(
        "INSERT INTO ticket_holders (ticket_id, firstname, lastname) SELECT id, 'A', 'B' FROM tickets WHERE event_id = %s",
        [event],
    )
    assert rules.execute("DELETE FROM ticket_holders WHERE event_id = %s", [event]).rowcount == count
    locks = rules.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    ).fetchone()
    assert locks is not None
    assert 1 <= locks[0] <= 1024
