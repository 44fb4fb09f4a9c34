"""The holders of an order that is cancelled, expired or deleted give their admissions up; revived, they need new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oeventdb import SoldOut
from tests import samples
from tests.procedures import invariants
from tests.procedures.sessions import outcome

if TYPE_CHECKING:
    import psycopg

    from tests.procedures.conftest import Refusal
    from tests.procedures.sessions import Session, Stage

SET = "UPDATE orders SET status = %s WHERE id = %s"
DEAD = ["cancelled", "expired", "deleted"]
LIVE = [None, "initialized", "initializing", "pending", "placed", "confirmed", "completed", "", "Cancelled"]


def held(connection: psycopg.Connection, order_id: int) -> int:
    row = connection.execute(
        "SELECT count(admission_no) FROM ticket_holders WHERE order_id = %s", [order_id]
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def ticket(rules: psycopg.Connection) -> int:
    """A ticket of two admissions."""
    return samples.ticket(rules, samples.event(rules), quantity=2, max_order=2)


def order_of_two(connection: psycopg.Connection, ticket_id: int, status: str | None) -> int:
    order = samples.insert(connection, "orders", status=status)
    for _ in range(2):
        samples.insert(
            connection, "ticket_holders", ticket_id=ticket_id, order_id=order, firstname="A", lastname="B"
        )
    return order


@pytest.mark.parametrize("live", LIVE)
@pytest.mark.parametrize("dead", DEAD)
def test_dying_frees_and_reviving_claims(
    rules: psycopg.Connection, refused: Refusal, ticket: int, live: str | None, dead: str
) -> None:
    order = order_of_two(rules, ticket, live)
    assert held(rules, order) == 2
    rules.execute(SET, [dead, order])
    assert held(rules, order) == 0
    assert invariants.broken(rules) == []
    rules.execute(SET, [live, order])
    assert held(rules, order) == 2
    rules.execute(SET, [dead, order])
    rival = samples.insert(rules, "ticket_holders", ticket_id=ticket, firstname="A", lastname="B")
    with refused(rules, SoldOut, ticket_id=ticket, requested=2, available=1):
        rules.execute(SET, [live, order])
    assert held(rules, order) == 0
    rules.execute("DELETE FROM ticket_holders WHERE id = %s", [rival])
    rules.execute(SET, [live, order])
    assert invariants.broken(rules) == []


@pytest.mark.parametrize("dead", DEAD)
def test_a_holder_added_to_a_dead_order_holds_nothing(
    rules: psycopg.Connection, ticket: int, dead: str
) -> None:
    order = order_of_two(rules, ticket, dead)
    assert held(rules, order) == 0
    assert held(rules, order_of_two(rules, ticket, "completed")) == 2
    assert invariants.broken(rules) == []


def test_an_order_over_several_tickets_frees_them_all(rules: psycopg.Connection) -> None:
    event = samples.event(rules)
    order = samples.insert(rules, "orders", identifier="of many", status="pending")
    for _ in range(5):
        samples.insert(
            rules,
            "ticket_holders",
            ticket_id=samples.ticket(rules, event, quantity=1, max_order=1),
            order_id=order,
            firstname="A",
            lastname="B",
        )
    samples.insert(rules, "ticket_holders", ticket_id=None, order_id=order, firstname="A", lastname="B")
    rules.execute(SET, ["expired", order])
    assert held(rules, order) == 0
    rules.execute(SET, ["completed", order])
    assert held(rules, order) == 5
    assert invariants.broken(rules) == []


def test_no_admission_is_taken_while_a_holder_is_waited_for(stage: Stage, setup: Session) -> None:
    """Who writes that holder may be waiting for just this admission."""
    event = samples.event(setup.connection)
    low, high = (samples.ticket(setup.connection, event, quantity=1) for _ in range(2))
    order = samples.insert(setup.connection, "orders", status="cancelled")
    for ticket in (low, high):
        last = samples.insert(
            setup.connection, "ticket_holders", ticket_id=ticket, order_id=order, firstname="A", lastname="B"
        )
    office, legacy = stage.session(), stage.session()
    legacy.begin()
    legacy.run("UPDATE ticket_holders SET firstname = 'C' WHERE id = %s", [last])
    reviving = office.start(SET, ["pending", order])
    stage.blocked(office, reviving, by=legacy)
    guest = "INSERT INTO ticket_holders (firstname, lastname, ticket_id) VALUES ('D', 'E', %s)"
    assert outcome(legacy.start(guest, [low])) == "done"
    legacy.rollback()
    assert outcome(reviving) == "done"
    assert held(setup.connection, order) == 2
