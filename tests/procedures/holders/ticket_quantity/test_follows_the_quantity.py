"""The admissions follow the quantity: raised, they grow; lowered below what is held, it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import CapacityBelowHeld, InvalidArgument, SoldOut
from tests import samples
from tests.procedures import invariants

if TYPE_CHECKING:
    from tests.procedures.conftest import Refusal

SELL = "INSERT INTO ticket_holders (ticket_id, firstname, lastname) SELECT %s, 'A', 'B' FROM generate_series(1, %s)"
SELL_NUMBER = (
    "INSERT INTO ticket_holders (ticket_id, admission_no, firstname, lastname) VALUES (%s, %s, 'A', 'B')"
)
SET = "UPDATE tickets SET quantity = %s WHERE id = %s"


def numbers(connection: psycopg.Connection, ticket_id: int) -> list[int]:
    cursor = connection.execute(
        "SELECT admission_no FROM ticket_holders WHERE ticket_id = %s ORDER BY 1", [ticket_id]
    )
    return [row[0] for row in cursor]


@pytest.mark.parametrize("before", [0, 5, 1000, 1001, 2500, None])
@pytest.mark.parametrize("after", [0, 5, 1000, 1001, 1_000_000, None])
def test_from_any_quantity_to_any_other(
    rules: psycopg.Connection, refused: Refusal, before: int | None, after: int | None
) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=before)
    rules.execute(SET, [after, ticket])
    assert invariants.broken(rules) == []
    saleable = 1100 if after is None else min(after, 1100)
    rules.execute(SELL, [ticket, saleable])
    assert len(set(numbers(rules, ticket))) == saleable
    if after == saleable:
        with refused(rules, SoldOut, available=0):
            rules.execute(SELL, [ticket, 1])
    assert invariants.broken(rules) == []


def test_a_ticket_takes_its_admissions_along_to_another_id(rules: psycopg.Connection) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=5000)
    rules.execute("UPDATE tickets SET id = %s, quantity = 3000 WHERE id = %s", [ticket + 1_000_000, ticket])
    assert invariants.broken(rules) == []
    rules.execute(SELL, [ticket + 1_000_000, 1100])
    assert invariants.broken(rules) == []


def test_a_ticket_with_holders_is_not_replaced_by_another_with_its_id(rules: psycopg.Connection) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=3)
    replace = (
        "WITH gone AS (DELETE FROM tickets WHERE id = %s RETURNING *) INSERT INTO tickets SELECT * FROM gone"
    )
    rules.execute(SELL, [ticket, 1])
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="has holders"), rules.transaction():
        rules.execute(replace, [ticket])
    assert invariants.broken(rules) == []
    rules.execute("DELETE FROM ticket_holders WHERE ticket_id = %s", [ticket])
    rules.execute(replace, [ticket])
    assert invariants.broken(rules) == []


def test_holders_beyond_the_new_quantity_get_lower_numbers(rules: psycopg.Connection) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=5000)
    for number in (5000, 4000, 2, 1001):
        rules.execute(SELL_NUMBER, [ticket, number])
    rules.execute(SET, [4, ticket])
    assert numbers(rules, ticket) == [1, 2, 3, 4]
    assert invariants.broken(rules) == []


def test_below_what_is_held_is_refused_with_the_number_held(
    rules: psycopg.Connection, refused: Refusal
) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=10)
    rules.execute(SELL, [ticket, 4])
    for quantity in (3, 1, 0):
        with refused(rules, CapacityBelowHeld, ticket_id=ticket, quantity=quantity, held=4):
            rules.execute(SET, [quantity, ticket])
    assert invariants.broken(rules) == []
    rules.execute(SET, [4, ticket])
    with refused(rules, SoldOut, available=0):
        rules.execute(SELL, [ticket, 1])


def test_dead_orders_hold_nothing_back(rules: psycopg.Connection) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=2)
    dead = samples.insert(rules, "orders", identifier="dead", status="cancelled")
    samples.insert(rules, "ticket_holders", ticket_id=ticket, order_id=dead, firstname="A", lastname="B")
    rules.execute(SET, [0, ticket])
    assert invariants.broken(rules) == []


@pytest.mark.parametrize("quantity", [-1, -2_147_483_648])
def test_a_negative_quantity_is_refused(rules: psycopg.Connection, refused: Refusal, quantity: int) -> None:
    event = samples.event(rules)
    ticket = samples.ticket(rules, event)
    with refused(rules, InvalidArgument) as caught:
        rules.execute(SET, [quantity, ticket])
    assert caught.value.constraint == "tickets_quantity"
    with refused(rules, InvalidArgument):
        samples.ticket(rules, event, quantity=quantity)


@pytest.mark.parametrize("quantity", [2, 4, 6, None])
def test_a_quantity_that_a_trigger_of_others_writes_counts_as_well(
    rules: psycopg.Connection, refused: Refusal, quantity: int | None
) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=5)
    rules.execute(SELL, [ticket, 3])
    rules.execute(
        "CREATE FUNCTION pg_temp.by_description() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN NEW.quantity := NEW.description; RETURN NEW; END$$;"
        " CREATE TRIGGER by_description BEFORE UPDATE OF description ON tickets"
        " FOR EACH ROW EXECUTE FUNCTION pg_temp.by_description()"
    )
    describe = "UPDATE tickets SET description = %s WHERE id = %s"
    if quantity == 2:
        with refused(rules, CapacityBelowHeld, held=3):
            rules.execute(describe, [quantity, ticket])
    else:
        rules.execute(describe, [quantity, ticket])
    assert invariants.broken(rules) == []


def test_other_columns_leave_the_admissions_alone(rules: psycopg.Connection) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=3)
    rules.execute(SELL, [ticket, 3])
    rules.execute(
        "UPDATE tickets SET name = 'renamed', quantity = quantity, price = 30 WHERE id = %s", [ticket]
    )
    assert numbers(rules, ticket) == [1, 2, 3]
    assert invariants.broken(rules) == []
