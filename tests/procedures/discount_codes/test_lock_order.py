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


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM oeventdb.delete_discount_code(%s)",
        "SELECT FROM oeventdb.replace_discount_code_tickets(%s, '{}')",
        "SELECT FROM oeventdb.replace_discount_code_tickets(%s, ARRAY[%s::bigint])",
    ],
)
def test_who_changes_the_price_of_a_covered_ticket_is_not_waited_for_with_the_code_in_hand(
    stage: Stage, setup: Session, statement: str
) -> None:
    event = samples.event(setup.connection)
    code = samples.discount_code(setup.connection, event)
    ticket = samples.ticket(setup.connection, event, discount_code_id=code)
    shop, office = stage.session(), stage.session()
    shop.begin()
    shop.run("SELECT FROM tickets WHERE id = %s FOR UPDATE", [ticket])
    running = office.start(statement, [code, ticket][: statement.count("%s")])
    stage.blocked(office, running, by=shop)
    shop.run("UPDATE tickets SET price = 30 WHERE id = %s", [ticket])
    shop.commit()
    assert outcome(running) == "done"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM oeventdb.delete_discount_code(%s)",
        "SELECT FROM oeventdb.replace_discount_code_tickets(%s, '{}')",
    ],
)
def test_a_ticket_that_the_code_gets_meanwhile_is_not_waited_for_with_the_code_in_hand(
    stage: Stage, setup: Session, statement: str
) -> None:
    event = samples.event(setup.connection)
    code = samples.discount_code(setup.connection, event)
    ticket = samples.ticket(setup.connection, event)
    replace = "SELECT FROM oeventdb.replace_discount_code_tickets(%s, ARRAY[%s::bigint])"
    first, second, third = (stage.session() for _ in range(3))
    first.begin()
    first.run(replace, [code, ticket])
    running = second.start(statement, [code])
    stage.blocked(second, running, by=first)
    repeating = third.start(replace, [code, ticket])
    stage.blocked(third, repeating, by=first)
    first.commit()
    assert outcome(running) == "done"
    assert outcome(repeating) in ("done", "OE404")
