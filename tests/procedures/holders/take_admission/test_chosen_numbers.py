"""A holder may be written with a number of one's choice, also one that has not been opened yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import samples
from tests.procedures import invariants
from tests.procedures.sessions import outcome

if TYPE_CHECKING:
    from tests.procedures.sessions import Session, Stage

INSERT = (
    "INSERT INTO ticket_holders (firstname, lastname, ticket_id, event_id, admission_no)"
    " VALUES ('A', 'B', %s, %s, 4000)"
)
RESIZE = "UPDATE tickets SET quantity = %s WHERE id = %s"
AVAILABLE = "SELECT held, available FROM oeventdb.ticket_availability(%s)"


@pytest.mark.parametrize("quantity", [3000, 7000])
def test_a_change_of_the_quantity_waits_for_a_number_that_is_being_cut_out(
    stage: Stage, setup: Session, quantity: int
) -> None:
    event = samples.event(setup.connection)
    ticket = samples.ticket(setup.connection, event, quantity=5000)
    guest, office = stage.session(), stage.session()
    guest.begin()
    guest.run(INSERT, [ticket, event])
    resizing = office.start(RESIZE, [quantity, ticket])
    stage.blocked(office, resizing, by=guest)
    guest.commit()
    assert outcome(resizing) == "done"
    assert setup.run(AVAILABLE, [event]) == [(1, quantity - 1)]
    assert invariants.broken(setup.connection) == []


def test_a_number_is_not_cut_out_while_the_quantity_changes(stage: Stage, setup: Session) -> None:
    event = samples.event(setup.connection)
    ticket = samples.ticket(setup.connection, event, quantity=5000)
    guest, office = stage.session(), stage.session()
    office.begin()
    office.run(RESIZE, [7000, ticket])
    inserting = guest.start(INSERT, [ticket, event])
    stage.blocked(guest, inserting, by=office)
    office.rollback()
    assert outcome(inserting) == "done"
    assert setup.run(AVAILABLE, [event]) == [(1, 4999)]
    assert invariants.broken(setup.connection) == []
