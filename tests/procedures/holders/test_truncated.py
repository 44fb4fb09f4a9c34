"""TRUNCATE calls no trigger of a row, and what is left can be sold all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests import samples
from tests.procedures import invariants

if TYPE_CHECKING:
    from tests.procedures.sessions import Session

SELL = "INSERT INTO ticket_holders (ticket_id, firstname, lastname) SELECT %s, 'A', 'B' FROM generate_series(1, %s)"


@pytest.mark.parametrize("quantity", [2, 2500, None])
def test_the_admissions_of_all_holders_are_free_again(
    rules: psycopg.Connection, quantity: int | None
) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=quantity)
    rules.execute(SELL, [ticket, 2])
    rules.execute("TRUNCATE ticket_holders")
    assert invariants.broken(rules) == []
    rules.execute(SELL, [ticket, 2])
    assert invariants.broken(rules) == []


@pytest.mark.parametrize("tables", ["tickets", "events"])
def test_nothing_is_left_of_tickets_for_those_that_get_their_ids(
    rules: psycopg.Connection, tables: str
) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=5000)
    rules.execute(SELL, [ticket, 2])
    rules.execute(f"TRUNCATE {tables} CASCADE".encode())
    assert invariants.broken(rules) == []
    samples.ticket(rules, samples.event(rules), id=ticket, quantity=2)
    rules.execute(SELL, [ticket, 2])
    assert invariants.broken(rules) == []


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_an_older_snapshot_is_refused(setup: Session, level: str) -> None:
    samples.ticket(setup.connection, samples.event(setup.connection))
    setup.begin(level)
    with pytest.raises(
        psycopg.errors.FeatureNotSupported, match=r"^ticket_holders is truncated under READ COMM"
    ):
        setup.run("TRUNCATE ticket_holders")
    setup.rollback()
