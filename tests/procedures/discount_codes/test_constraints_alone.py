"""A code's tickets are held by constraints alone: the same writes with the triggers of tickets switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oeventdb import WrongEvent
from tests import samples

if TYPE_CHECKING:
    import psycopg

    from tests.procedures.conftest import Refusal


def test_a_ticket_without_an_event_has_no_code(rules: psycopg.Connection, refused: Refusal) -> None:
    """A key with a NULL in it would not be looked up at all."""
    event = samples.event(rules)
    code = samples.discount_code(rules, event)
    ticket = samples.ticket(rules, event)
    rules.execute("ALTER TABLE tickets DISABLE TRIGGER USER")
    with refused(rules, WrongEvent) as caught:
        rules.execute(
            "UPDATE tickets SET event_id = NULL, discount_code_id = %s, discount_code_used_for = 'ticket'"
            " WHERE id = %s",
            [code, ticket],
        )
    assert caught.value.constraint == "tickets_discount_code_event"
