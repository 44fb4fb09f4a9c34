"""Overselling is impossible by constraint alone: the same writes with every trigger of ours switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oeventdb import InvalidArgument, SoldOut
from tests import samples

if TYPE_CHECKING:
    import psycopg

    from tests.procedures.conftest import Refusal


@pytest.fixture
def bare(rules: psycopg.Connection) -> psycopg.Connection:
    """A connection to tables whose triggers are off, until the transaction is undone."""
    for table in ("ticket_holders", "tickets", "feedback", "orders"):
        rules.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
    return rules


def test_without_triggers_a_number_is_held_once_and_only_if_it_exists(
    bare: psycopg.Connection, refused: Refusal
) -> None:
    event = samples.event(bare)
    ticket = samples.ticket(bare, event, quantity=2)
    bare.execute("SELECT oeventdb_internal.open_admissions(%s, %s, 1, 2)", [ticket, event])
    holder = {"ticket_id": ticket, "event_id": event, "firstname": "A", "lastname": "B"}
    for number in (1, 2):
        samples.insert(bare, "ticket_holders", admission_no=number, **holder)
    for number, constraint in (
        (1, "ticket_event"),
        (3, "ticket_holders_admission"),
        (0, "ticket_holders_admission"),
    ):
        with refused(bare, SoldOut) as caught:
            samples.insert(bare, "ticket_holders", admission_no=number, **holder)
        assert caught.value.constraint == constraint


@pytest.mark.parametrize("missing", ["ticket_id", "event_id"])
def test_without_triggers_a_null_does_not_switch_the_keys_off(
    bare: psycopg.Connection, refused: Refusal, missing: str
) -> None:
    event = samples.event(bare)
    ticket = samples.ticket(bare, event, quantity=2)
    holder = {"ticket_id": ticket, "event_id": event, missing: None}
    with refused(bare, InvalidArgument) as caught:
        samples.insert(bare, "ticket_holders", admission_no=7, firstname="A", lastname="B", **holder)
    assert caught.value.constraint == "ticket_holders_admission_complete"


def test_an_admission_belongs_to_its_ticket_and_event(bare: psycopg.Connection) -> None:
    event = samples.event(bare)
    ticket = samples.ticket(bare, event, quantity=2)
    for statement, constraint in (
        (f"SELECT oeventdb_internal.open_admissions({ticket}, {event}, 0, 0)", "admissions_admission_no"),
        (f"SELECT oeventdb_internal.open_admissions({ticket}, {event + 1}, 1, 1)", "admissions_ticket"),
        (
            f"INSERT INTO oeventdb_internal.admission_ranges (ticket_id, first_no, last_no) VALUES ({ticket}, 2, 1)",
            "admission_ranges_order",
        ),
    ):
        with pytest.raises(Exception, match=constraint), bare.transaction():
            bare.execute(statement.encode())
