"""Whoever changes the tickets of codes locks them from the lowest id on, so that no two can wait for each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import samples
from tests.procedures.sessions import outcome

if TYPE_CHECKING:
    from tests.procedures.sessions import Session, Stage


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM oeventdb.delete_discount_code(%(code)s)",
        "SELECT FROM oeventdb.replace_discount_code_tickets(%(code)s, '{}')",
        "SELECT FROM oeventdb.replace_discount_code_tickets(%(other)s, ARRAY[%(high)s, %(low)s])",
    ],
)
def test_the_higher_ticket_is_free_while_the_lower_is_waited_for(
    stage: Stage, setup: Session, statement: str
) -> None:
    event = samples.event(setup.connection)
    code, other = (samples.discount_code(setup.connection, event) for _ in range(2))
    low, high = (samples.ticket(setup.connection, event, discount_code_id=code) for _ in range(2))
    # a scan meets it last now
    setup.run("UPDATE tickets SET name = name || ' again' WHERE id = %s", [low])
    first, second, third = stage.session(), stage.session(), stage.session()
    first.begin()
    first.run("SELECT FROM tickets WHERE id = %s FOR UPDATE", [low])
    running = second.start(statement, {"code": code, "other": other, "low": low, "high": high})
    stage.blocked(second, running, by=first)
    third.run("SELECT FROM tickets WHERE id = %s FOR UPDATE NOWAIT", [high])
    first.rollback()
    assert outcome(running) == "done"
