"""An order that is cancelled while a holder is added to it: no holder of a dead order keeps an admission."""

from __future__ import annotations

import psycopg
import pytest

from tests import samples
from tests.procedures.sessions import (
    READ_COMMITTED,
    SERIALIZABLE,
    TRY_AGAIN,
    Session,
    Stage,
    endings,
    levels,
    outcome,
)

ADD = "INSERT INTO ticket_holders (ticket_id, order_id, firstname, lastname) VALUES (%s, %s, 'A', 'B')"
CANCEL = "UPDATE orders SET status = 'cancelled' WHERE id = %s"


@pytest.fixture
def order(setup: Session) -> int:
    """A pending order without holders."""
    return samples.insert(setup.connection, "orders", status="pending")


@pytest.fixture
def ticket(setup: Session) -> int:
    """A ticket of two admissions."""
    return samples.ticket(setup.connection, samples.event(setup.connection), quantity=2, max_order=2)


def held(setup: Session, order: int) -> list[tuple[bool]]:
    return setup.run("SELECT admission_no IS NOT NULL FROM ticket_holders WHERE order_id = %s", [order])


@levels
@endings
def test_a_holder_waits_for_a_cancellation_and_then_holds_nothing(
    stage: Stage, setup: Session, order: int, ticket: int, level: str, first_ends: str
) -> None:
    first, second = stage.two(level)
    first.run(CANCEL, [order])
    running = second.start(ADD, [ticket, order])
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    assert ended == ("done" if first_ends == "ROLLBACK" or level == READ_COMMITTED else TRY_AGAIN)
    second.finish(ended)
    assert held(setup, order) == ([(first_ends == "ROLLBACK",)] if ended == "done" else [])


@pytest.mark.parametrize("level", [READ_COMMITTED, SERIALIZABLE])
@endings
def test_a_cancellation_waits_for_a_holder_and_takes_its_admission(
    stage: Stage, setup: Session, order: int, ticket: int, level: str, first_ends: str
) -> None:
    first, second = stage.two(level)
    first.run(ADD, [ticket, order])
    running = second.start(CANCEL, [order])
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    try:
        second.finish(ended)
    except psycopg.Error as error:
        ended = str(error.sqlstate)
    assert ended == "done" or (level == SERIALIZABLE and ended == TRY_AGAIN)
    if ended == "done":
        assert held(setup, order) == ([(False,)] if first_ends == "COMMIT" else [])


def test_two_orders_over_the_same_tickets_are_cancelled_and_revived_at_once(
    stage: Stage, setup: Session
) -> None:
    event = samples.event(setup.connection)
    tickets = [samples.ticket(setup.connection, event, quantity=2, max_order=2) for _ in range(4)]
    orders = [samples.insert(setup.connection, "orders", status="pending") for _ in range(2)]
    for order, its_tickets in zip(orders, [tickets, tickets[::-1]], strict=True):
        for ticket in its_tickets:
            setup.run(ADD, [ticket, order])
    sessions = [stage.session(), stage.session()]
    for _ in range(10):
        for status in ("cancelled", "completed"):
            running = [
                session.start("UPDATE orders SET status = %s WHERE id = %s", [status, order])
                for session, order in zip(sessions, orders, strict=True)
            ]
            assert [outcome(statement) for statement in running] == ["done", "done"]
