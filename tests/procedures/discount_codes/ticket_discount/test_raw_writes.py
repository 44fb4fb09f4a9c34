"""Whoever attaches a code to a ticket by a statement of their own is told what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oeventdb import DiscountCodeWrongKind, NotFound
from tests import samples

if TYPE_CHECKING:
    import psycopg

    from tests.procedures.conftest import Refusal

ATTACH = "UPDATE tickets SET discount_code_id = %s WHERE id = %s"


def test_a_code_for_whole_events(rules: psycopg.Connection, refused: Refusal) -> None:
    event = samples.event(rules)
    ticket = samples.ticket(rules, event)
    code = samples.discount_code(rules, event, used_for="event")
    with refused(rules, DiscountCodeWrongKind, discount_code_id=code):
        rules.execute(ATTACH, [code, ticket])


def test_a_code_that_does_not_exist(rules: psycopg.Connection, refused: Refusal) -> None:
    ticket = samples.ticket(rules, samples.event(rules))
    with refused(rules, NotFound, resource="discount_code", id=2**40):
        rules.execute(ATTACH, [2**40, ticket])
