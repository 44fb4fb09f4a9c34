"""Deleting a code harms nothing else: tickets are detached, events and orders stay; a raw delete takes no sold ticket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import CapacityBelowHeld, Client, InvalidArgument, NotFound
from tests import samples
from tests.procedures.sessions import Session, Stage, endings, outcome

if TYPE_CHECKING:
    from tests.procedures.conftest import Refusal

ATTACH = "UPDATE tickets SET discount_code_id = %s WHERE id = %s"
DELETE = "SELECT id FROM oeventdb.delete_discount_code(%s)"
REPLACE = "SELECT id FROM oeventdb.replace_discount_code_tickets(%s, %s)"


def exists(connection: psycopg.Connection, table: str, row: int) -> bool:
    found = connection.execute(f"SELECT 1 FROM {table} WHERE id = {row}".encode())
    return found.fetchone() is not None


def test_tickets_events_and_orders_outlive_their_code(rules: psycopg.Connection) -> None:
    event = samples.event(rules)
    code = samples.discount_code(rules, event)
    sold, unsold = (samples.ticket(rules, event, discount_code_id=code) for _ in range(2))
    samples.insert(rules, "ticket_holders", ticket_id=sold, firstname="A", lastname="B")
    order = samples.insert(rules, "orders", identifier="x", discount_code_id=code)
    rules.execute("UPDATE events SET discount_code_id = %s WHERE id = %s", [code, event])
    deleted = Client(rules).delete_discount_code(discount_code_id=code)
    assert (deleted.id, deleted.event_id, deleted.used_for) == (code, event, "ticket")
    assert not exists(rules, "discount_codes", code)
    tickets = rules.execute(
        "SELECT id, discount_code_id FROM tickets WHERE event_id = %s ORDER BY id", [event]
    )
    assert tickets.fetchall() == [(sold, None), (unsold, None)]
    assert rules.execute("SELECT discount_code_id FROM events WHERE id = %s", [event]).fetchone() == (None,)
    assert rules.execute("SELECT discount_code_id FROM orders WHERE id = %s", [order]).fetchone() == (None,)


def test_an_unknown_or_deleted_code_is_told(rules: psycopg.Connection, refused: Refusal) -> None:
    gone = samples.discount_code(rules, samples.event(rules), deleted_at=samples.NOW)
    for wrong in (gone, -1, 2**63 - 1):
        with refused(rules, NotFound, resource="discount_code", id=wrong):
            Client(rules).delete_discount_code(discount_code_id=wrong)
    with refused(rules, InvalidArgument, argument="discount_code_id"):
        rules.execute(DELETE, [None])


@pytest.mark.parametrize("sold_by", ["holder", "order"])
def test_a_raw_delete_cannot_take_a_sold_ticket_with_it(
    rules: psycopg.Connection, refused: Refusal, sold_by: str
) -> None:
    event = samples.event(rules)
    code = samples.discount_code(rules, event)
    ticket = samples.ticket(rules, event, discount_code_id=code)
    if sold_by == "holder":
        samples.insert(rules, "ticket_holders", ticket_id=ticket, firstname="A", lastname="B")
    else:
        order = samples.insert(rules, "orders", identifier="x", status="cancelled")
        rules.execute("INSERT INTO orders_tickets VALUES (%s, %s, 1)", [order, ticket])
    with refused(rules, CapacityBelowHeld):
        rules.execute("DELETE FROM discount_codes WHERE id = %s", [code])
    assert exists(rules, "tickets", ticket)


def test_a_raw_delete_cascades_to_unsold_tickets_and_to_no_event(rules: psycopg.Connection) -> None:
    event = samples.event(rules)
    code = samples.discount_code(rules, event)
    ticket = samples.ticket(rules, event, discount_code_id=code)
    rules.execute("UPDATE events SET discount_code_id = %s WHERE id = %s", [code, event])
    rules.execute("DELETE FROM discount_codes WHERE id = %s", [code])
    assert not exists(rules, "tickets", ticket)
    assert exists(rules, "events", event)


@endings
@pytest.mark.parametrize("delete_first", [True, False])
def test_a_ticket_attached_meanwhile_is_not_lost(
    stage: Stage, setup: Session, first_ends: str, delete_first: bool
) -> None:
    event = samples.event(setup.connection)
    code, ticket = samples.discount_code(setup.connection, event), samples.ticket(setup.connection, event)
    first, second = stage.session(), stage.session()
    first.begin()
    first.run(*((DELETE, [code]) if delete_first else (ATTACH, [code, ticket])))
    running = second.start(*((ATTACH, [code, ticket]) if delete_first else (DELETE, [code])))
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    assert ended == ("OE404" if delete_first and first_ends == "COMMIT" else "done")
    assert exists(setup.connection, "tickets", ticket)


@endings
@pytest.mark.parametrize(
    "deletes",
    [DELETE, "UPDATE discount_codes SET deleted_at = now() WHERE id = %s"],
    ids=["function", "raw"],
)
@pytest.mark.parametrize("second_does", ["delete", "replace", "empty"])
def test_a_code_that_is_deleted_while_it_is_waited_for_is_told(
    stage: Stage, setup: Session, second_does: str, deletes: str, first_ends: str
) -> None:
    event = samples.event(setup.connection)
    code = samples.discount_code(setup.connection, event)
    ticket = samples.ticket(setup.connection, event, discount_code_id=code)
    first, second = stage.session(), stage.session()
    first.begin()
    first.run(deletes, [code])
    tickets = [ticket] if second_does == "replace" else []
    running = second.start(*((DELETE, [code]) if second_does == "delete" else (REPLACE, [code, tickets])))
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    assert ended == ("OE404" if first_ends == "COMMIT" else "done")
    if ended == "OE404":
        error = running.exception()
        assert isinstance(error, psycopg.Error)
        assert json.loads(error.diag.message_detail or "") == {"resource": "discount_code", "id": code}
