"""A holder gets one numbered admission of 1..quantity: the writer's choice if it is free, else any free one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from oeventdb import Client, InvalidArgument, NotFound, SoldOut, WrongEvent
from tests import samples
from tests.procedures import invariants

if TYPE_CHECKING:
    import psycopg

    from tests.procedures.conftest import Refusal

NUMBERED = """
INSERT INTO ticket_holders (ticket_id, admission_no, firstname, lastname) VALUES (%s, %s, 'Ada', 'Lovelace')
RETURNING admission_no
"""
ANY = "INSERT INTO ticket_holders (ticket_id, firstname, lastname) VALUES (%s, 'Ada', 'Lovelace') RETURNING admission_no"


def numbers(connection: psycopg.Connection, ticket_id: int) -> list[int]:
    """The numbers that are held, in order."""
    cursor = connection.execute(
        "SELECT admission_no FROM ticket_holders WHERE ticket_id = %s AND admission_no IS NOT NULL ORDER BY 1",
        [ticket_id],
    )
    return [row[0] for row in cursor]


def test_ten_admissions_admit_ten_and_no_eleventh(rules: psycopg.Connection, refused: Refusal) -> None:
    event = samples.event(rules)
    ticket, client = samples.ticket(rules, event, quantity=10), Client(rules)
    held = [client.add_ticket_holder(ticket_id=ticket, firstname="A", lastname="B") for _ in range(10)]
    assert sorted(holder.admission_no or 0 for holder in held) == list(range(1, 11))
    assert {(holder.event_id, holder.ticket_id, holder.is_checked_in) for holder in held} == {
        (event, ticket, False)
    }
    with refused(rules, SoldOut, ticket_id=ticket, requested=1, available=0):
        client.add_ticket_holder(ticket_id=ticket, firstname="A", lastname="B")
    with refused(rules, SoldOut, ticket_id=ticket, requested=1, available=0):
        rules.execute(ANY, [ticket])
    assert invariants.broken(rules) == []


def test_a_ticket_of_quantity_one_has_one_holder_as_the_first_rule_had_it(
    rules: psycopg.Connection, refused: Refusal
) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=1, max_order=1)
    assert rules.execute(ANY, [ticket]).fetchone() == (1,)
    with refused(rules, SoldOut) as caught:
        rules.execute(NUMBERED, [ticket, 1])
    assert caught.value.constraint == "ticket_event"


def test_a_quantity_of_zero_admits_nobody(rules: psycopg.Connection, refused: Refusal) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=0)
    with refused(rules, SoldOut, available=0):
        rules.execute(ANY, [ticket])


@pytest.mark.parametrize("number", [1, 10, 1000, 1001, 5000, 99_999, 100_000])
def test_a_free_number_may_be_chosen_opened_or_not(
    rules: psycopg.Connection, refused: Refusal, number: int
) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=100_000)
    assert rules.execute(NUMBERED, [ticket, number]).fetchone() == (number,)
    with refused(rules, SoldOut) as caught:
        rules.execute(NUMBERED, [ticket, number])
    assert caught.value.constraint == "ticket_event"
    assert invariants.broken(rules) == []


@pytest.mark.parametrize("number", [0, -1, 11, 2_147_483_647, -2_147_483_648])
def test_a_number_that_the_quantity_does_not_provide_is_refused(
    rules: psycopg.Connection, refused: Refusal, number: int
) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=10)
    with refused(rules, SoldOut) as caught:
        rules.execute(NUMBERED, [ticket, number])
    assert caught.value.constraint == "ticket_holders_admission"


def test_chosen_numbers_in_one_range_leave_the_rest_of_it_free(rules: psycopg.Connection) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=2100)
    for number in (1600, 1601, 1599, 1002, 2100):
        assert rules.execute(NUMBERED, [ticket, number]).fetchone() == (number,)
    assert invariants.broken(rules) == []
    rules.execute(
        "INSERT INTO ticket_holders (ticket_id, firstname, lastname)"
        " SELECT %s, 'A', 'B' FROM generate_series(1, 2095)",
        [ticket],
    )
    assert numbers(rules, ticket) == list(range(1, 2101))
    assert invariants.broken(rules) == []


def test_one_statement_adds_as_many_as_there_are_or_none(rules: psycopg.Connection, refused: Refusal) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=1200)
    many = "INSERT INTO ticket_holders (ticket_id, firstname, lastname) SELECT %s, 'A', 'B' FROM generate_series(1, %s)"
    with refused(rules, SoldOut, available=0):
        rules.execute(many, [ticket, 1201])
    assert numbers(rules, ticket) == []
    rules.execute(many, [ticket, 1200])
    assert numbers(rules, ticket) == list(range(1, 1201))
    assert invariants.broken(rules) == []


def test_copy_numbers_the_holders_too(rules: psycopg.Connection, refused: Refusal) -> None:
    ticket = samples.ticket(rules, samples.event(rules), quantity=5)

    def copy(count: int) -> None:
        with rules.cursor().copy("COPY ticket_holders (ticket_id, firstname, lastname) FROM STDIN") as data:
            for number in range(count):
                data.write_row((ticket, f"first {number}", "last"))

    copy(3)
    with refused(rules, SoldOut, available=0):
        copy(3)
    copy(2)
    assert numbers(rules, ticket) == [1, 2, 3, 4, 5]


def test_a_million_admissions_and_no_limit_at_all_sell_alike(rules: psycopg.Connection) -> None:
    event = samples.event(rules)
    for quantity in (1_000_000, None):
        ticket = samples.ticket(rules, event, quantity=quantity)
        opened = rules.execute(
            "SELECT count(*) FROM oeventdb_internal.admissions WHERE ticket_id = %s", [ticket]
        ).fetchone()
        assert opened == (1000,)
        rules.execute(
            "INSERT INTO ticket_holders (ticket_id, firstname, lastname)"
            " SELECT %s, 'A', 'B' FROM generate_series(1, 1100)",
            [ticket],
        )
        assert len(set(numbers(rules, ticket))) == 1100
        assert rules.execute(NUMBERED, [ticket, quantity or 2_147_483_647]).fetchone() == (
            quantity or 2_147_483_647,
        )
    assert invariants.broken(rules) == []


def test_the_event_is_filled_in_from_the_ticket(rules: psycopg.Connection) -> None:
    event = samples.event(rules)
    ticket = samples.ticket(rules, event)
    dead = samples.insert(rules, "orders", identifier="dead", status="cancelled")
    for order in (None, dead):
        holder = samples.insert(
            rules, "ticket_holders", ticket_id=ticket, order_id=order, firstname="A", lastname="B"
        )
        row = rules.execute("SELECT event_id FROM ticket_holders WHERE id = %s", [holder]).fetchone()
        assert row == (event,)


@pytest.mark.parametrize("status", [None, "cancelled"])
def test_an_event_that_contradicts_the_ticket_is_refused(
    rules: psycopg.Connection, refused: Refusal, status: str | None
) -> None:
    event, other = samples.event(rules), samples.event(rules)
    ticket = samples.ticket(rules, event)
    order = samples.insert(rules, "orders", identifier="an order", status=status)
    row: dict[str, Any] = {"ticket_id": ticket, "order_id": order, "firstname": "A", "lastname": "B"}
    with refused(rules, WrongEvent, resource="ticket", id=ticket, event_id=other):
        samples.insert(rules, "ticket_holders", event_id=other, **row)
    holder = samples.insert(rules, "ticket_holders", event_id=event, **row)
    with refused(rules, WrongEvent, resource="ticket", id=ticket, event_id=other):
        rules.execute("UPDATE ticket_holders SET event_id = %s WHERE id = %s", [other, holder])
    rules.execute("UPDATE ticket_holders SET event_id = NULL WHERE id = %s", [holder])
    assert rules.execute("SELECT event_id FROM ticket_holders WHERE id = %s", [holder]).fetchone() == (event,)


def test_a_ticket_without_an_event_sells_nothing(rules: psycopg.Connection, refused: Refusal) -> None:
    event = samples.event(rules)
    ticket = samples.insert(
        rules,
        "tickets",
        name="loose",
        type="free",
        sales_starts_at=samples.NOW,
        sales_ends_at=samples.NOW,
        quantity=3,
    )
    with refused(rules, WrongEvent, resource="ticket", id=ticket):
        rules.execute(ANY, [ticket])
    rules.execute("UPDATE tickets SET event_id = %s WHERE id = %s", [event, ticket])
    assert rules.execute(ANY, [ticket]).fetchone() is not None
    assert invariants.broken(rules) == []


def test_a_holder_without_a_ticket_holds_no_admission(rules: psycopg.Connection) -> None:
    event = samples.event(rules)
    holder = samples.insert(
        rules, "ticket_holders", event_id=event, admission_no=4, firstname="A", lastname="B"
    )
    row = rules.execute(
        "SELECT admission_no, event_id FROM ticket_holders WHERE id = %s", [holder]
    ).fetchone()
    assert row == (None, event)


def test_unknown_and_deleted_tickets_are_told(rules: psycopg.Connection, refused: Refusal) -> None:
    gone = samples.ticket(rules, samples.event(rules), deleted_at=samples.NOW)
    for wrong in (gone, -1, 0, 2**63 - 1):
        with refused(rules, NotFound, resource="ticket", id=wrong):
            Client(rules).add_ticket_holder(ticket_id=wrong, firstname="A", lastname="B")
    with refused(rules, NotFound, resource="ticket", id=-1):
        rules.execute(ANY, [-1])
    with refused(rules, InvalidArgument, argument="ticket_id", reason="is NULL"):
        rules.execute("SELECT * FROM oeventdb.add_ticket_holder(NULL, 'A', 'B')")


@pytest.mark.parametrize("name", ["firstname", "lastname"])
@pytest.mark.parametrize("value", [None, "", "  ", "\t\n\r\f\v "])
def test_a_name_must_say_something(
    rules: psycopg.Connection, refused: Refusal, name: str, value: str | None
) -> None:
    ticket = samples.ticket(rules, samples.event(rules))
    names = {"firstname": "Ada", "lastname": "Lovelace", name: value}
    with refused(rules, InvalidArgument, argument=name):
        rules.execute(
            "SELECT * FROM oeventdb.add_ticket_holder(%(ticket)s, %(firstname)s, %(lastname)s)",
            {"ticket": ticket, **names},
        )
    assert numbers(rules, ticket) == []


@pytest.mark.parametrize(
    "text", ["Robert'); DROP TABLE tickets; --", "\u0001\u2028\u202e😀 José", "x" * 1_000_000]
)
def test_a_name_is_kept_as_it_is(rules: psycopg.Connection, text: str) -> None:
    ticket = samples.ticket(rules, samples.event(rules))
    holder = Client(rules).add_ticket_holder(ticket_id=ticket, firstname=text, lastname=text, email=text)
    assert (holder.firstname, holder.lastname, holder.email) == (text, text, text)
