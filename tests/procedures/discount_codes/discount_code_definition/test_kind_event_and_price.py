"""Raw writes from every side: a ticket's code is of kind 'ticket', of its event, and takes no more off than the price."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oeventdb import DiscountCodeDefinition, DiscountCodeWrongKind, Error, NotFound, WrongEvent
from tests import samples
from tests.procedures.sessions import (
    READ_COMMITTED,
    REPEATABLE_READ,
    SERIALIZABLE,
    Session,
    Stage,
    endings,
    levels,
    outcome,
)

if TYPE_CHECKING:
    import psycopg

    from tests.procedures.conftest import Refusal

ATTACH = "UPDATE tickets SET discount_code_id = %s WHERE id = %s"


def test_no_writer_attaches_a_code_of_kind_event_or_of_another_event(
    rules: psycopg.Connection, refused: Refusal
) -> None:
    event, elsewhere = samples.event(rules), samples.event(rules)
    ticket = samples.ticket(rules, event)
    loose = samples.insert(
        rules, "discount_codes", code="loose", type="percent", value=1, used_for="ticket", event_id=None
    )
    wrong: list[tuple[int, type[Error]]] = [
        (samples.discount_code(rules, event, used_for="event"), DiscountCodeWrongKind),
        (samples.discount_code(rules, elsewhere), WrongEvent),
        (loose, WrongEvent),
        (-1, NotFound),
    ]
    for code, error in wrong:
        with refused(rules, error):
            rules.execute(ATTACH, [code, ticket])
        with refused(rules, error):
            samples.ticket(rules, event, discount_code_id=code)
    with refused(rules, DiscountCodeWrongKind) as caught:
        rules.execute("UPDATE tickets SET discount_code_used_for = 'event' WHERE id = %s", [ticket])
    assert caught.value.constraint == "tickets_discount_code_kind"


def test_a_ticket_without_an_event_has_no_code(rules: psycopg.Connection, refused: Refusal) -> None:
    code = samples.discount_code(rules, samples.event(rules))
    with refused(rules, WrongEvent):
        samples.insert(
            rules,
            "tickets",
            name="loose",
            type="paid",
            quantity=1,
            discount_code_id=code,
            sales_starts_at=samples.NOW,
            sales_ends_at=samples.NOW,
        )


def test_a_code_with_tickets_keeps_its_event_and_so_do_its_tickets(
    rules: psycopg.Connection, refused: Refusal
) -> None:
    event, elsewhere = samples.event(rules), samples.event(rules)
    code = samples.discount_code(rules, event)
    ticket = samples.ticket(rules, event, discount_code_id=code)
    with refused(rules, DiscountCodeWrongKind) as caught:
        rules.execute("UPDATE discount_codes SET event_id = %s WHERE id = %s", [elsewhere, code])
    assert caught.value.constraint == "tickets_discount_code"
    with refused(rules, WrongEvent):
        rules.execute("UPDATE tickets SET event_id = %s WHERE id = %s", [elsewhere, ticket])
    rules.execute(ATTACH, [None, ticket])
    rules.execute("UPDATE discount_codes SET event_id = %s WHERE id = %s", [elsewhere, code])


@pytest.mark.parametrize("kinds", [("ticket", "event"), ("event", "ticket")])
@pytest.mark.parametrize("attached", [True, False])
def test_a_code_keeps_its_kind_for_life(
    rules: psycopg.Connection, refused: Refusal, kinds: tuple[str, str], attached: bool
) -> None:
    event = samples.event(rules)
    code = samples.discount_code(rules, event, used_for=kinds[0])
    if attached and kinds[0] == "ticket":
        samples.ticket(rules, event, discount_code_id=code)
    with refused(rules, DiscountCodeWrongKind, discount_code_id=code, used_for=kinds[0]):
        rules.execute("UPDATE discount_codes SET used_for = %s WHERE id = %s", [kinds[1], code])


PRICES = [
    ("UPDATE discount_codes SET value = 20.01 WHERE id = %(code)s", 20.01, 20),
    ("UPDATE tickets SET price = 9.99 WHERE id = %(ticket)s", 10, 9.99),
    ("UPDATE tickets SET price = NULL WHERE id = %(ticket)s", 10, 0),
    ("UPDATE tickets SET discount_code_id = %(code)s WHERE id = %(cheap)s", 10, 5),
    ("UPDATE discount_codes SET type = 'amount' WHERE id = %(percent)s", 50, 20),
]


@pytest.mark.parametrize(("statement", "value", "price"), PRICES)
def test_an_amount_is_at_most_the_price_of_each_covered_ticket(
    rules: psycopg.Connection, refused: Refusal, statement: str, value: float, price: float
) -> None:
    event = samples.event(rules)
    code = samples.discount_code(rules, event, type="amount", value=10)
    percent = samples.discount_code(rules, event, type="percent", value=50)
    made = {
        "code": code,
        "percent": percent,
        "ticket": samples.ticket(rules, event, price=20, discount_code_id=code),
        "half": samples.ticket(rules, event, price=20, discount_code_id=percent),
        "cheap": samples.ticket(rules, event, price=5),
    }
    with refused(rules, DiscountCodeDefinition, field="value", value=value, price=price):
        rules.execute(statement.encode(), made)


def test_a_price_may_fall_to_the_amount_and_an_amount_rise_to_the_price(rules: psycopg.Connection) -> None:
    event = samples.event(rules)
    code = samples.discount_code(rules, event, type="amount", value=10)
    ticket = samples.ticket(rules, event, price=20, discount_code_id=code)
    rules.execute("UPDATE tickets SET price = 10 WHERE id = %s", [ticket])
    rules.execute("UPDATE tickets SET price = 30 WHERE id = %s", [ticket])
    rules.execute("UPDATE discount_codes SET value = 30 WHERE id = %s", [code])
    rules.execute("UPDATE discount_codes SET type = 'percent' WHERE id = %s", [code])
    rules.execute("UPDATE tickets SET price = 0 WHERE id = %s", [ticket])


def test_nobody_makes_a_code_a_duplicate_by_saying_so(rules: psycopg.Connection, refused: Refusal) -> None:
    event = samples.event(rules)
    one = samples.discount_code(rules, event, code="SAME")
    with refused(rules, DiscountCodeDefinition):
        samples.discount_code(rules, event, code="same", is_duplicate=True)
    other = samples.discount_code(rules, event, code="OTHER")
    rules.execute("UPDATE discount_codes SET is_duplicate = true WHERE event_id = %s", [event])
    flagged = rules.execute("SELECT id FROM discount_codes WHERE is_duplicate").fetchall()
    assert flagged == []
    with refused(rules, DiscountCodeDefinition):
        rules.execute("UPDATE discount_codes SET code = 'Same', is_duplicate = true WHERE id = %s", [other])
    assert one != other


@levels
@endings
@pytest.mark.parametrize("attach_first", [True, False])
def test_attaching_and_changing_the_event_of_a_code_exclude_each_other(
    stage: Stage, setup: Session, level: str, first_ends: str, attach_first: bool
) -> None:
    event, elsewhere = samples.event(setup.connection), samples.event(setup.connection)
    code, ticket = samples.discount_code(setup.connection, event), samples.ticket(setup.connection, event)
    steps = [
        (ATTACH, [code, ticket]),
        ("UPDATE discount_codes SET event_id = %s WHERE id = %s", [elsewhere, code]),
    ]
    first, second = stage.two(level)
    one, other = steps if attach_first else steps[::-1]
    first.run(*one)
    running = second.start(*other)
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    refused_as = "23503" if attach_first else "OE105"
    refusals = {refused_as, *([] if level == READ_COMMITTED else ["40001"])}
    assert ended == "done" if first_ends == "ROLLBACK" else ended in refusals
    second.finish(ended)


@endings
@pytest.mark.parametrize("amount_first", [True, False])
def test_raising_the_amount_and_lowering_the_price_exclude_each_other(
    stage: Stage, setup: Session, first_ends: str, amount_first: bool
) -> None:
    event = samples.event(setup.connection)
    code = samples.discount_code(setup.connection, event, type="amount", value=5)
    ticket = samples.ticket(setup.connection, event, price=20, discount_code_id=code)
    steps = [
        ("UPDATE discount_codes SET value = 15 WHERE id = %s", [code]),
        ("UPDATE tickets SET price = 10 WHERE id = %s", [ticket]),
    ]
    first, second = stage.session(), stage.session()
    first.begin()
    second.begin()
    one, other = steps if amount_first else steps[::-1]
    first.run(*one)
    running = second.start(*other)
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    assert ended == ("done" if first_ends == "ROLLBACK" else "OE205")
    second.finish(ended)


@pytest.mark.parametrize("level", [REPEATABLE_READ, SERIALIZABLE])
def test_an_amount_is_raised_only_where_all_prices_can_be_seen(
    stage: Stage, setup: Session, level: str
) -> None:
    event = samples.event(setup.connection)
    code = samples.discount_code(setup.connection, event, type="amount", value=5)
    percent = samples.discount_code(setup.connection, event, type="percent", value=5)
    office = stage.session()
    for statement, values, ended in (
        ("UPDATE discount_codes SET value = 6 WHERE id = %s", [code], "0A000"),
        ("UPDATE discount_codes SET type = 'amount' WHERE id = %s", [percent], "0A000"),
        ("UPDATE discount_codes SET value = 4 WHERE id = %s", [code], "done"),
        ("UPDATE discount_codes SET value = 90 WHERE id = %s", [percent], "done"),
    ):
        office.begin(level)
        assert outcome(office.start(statement, values)) == ended
        office.rollback()


def test_a_ticket_of_an_old_code_that_breaks_the_rules_may_be_written(rules: psycopg.Connection) -> None:
    event = samples.event(rules)
    code = samples.discount_code(rules, event)
    with rules.transaction(force_rollback=True):
        rules.execute("ALTER TABLE discount_codes DROP CONSTRAINT discount_codes_value")
        rules.execute("UPDATE discount_codes SET value = 150 WHERE id = %s", [code])
        rules.execute(
            "ALTER TABLE discount_codes ADD CONSTRAINT discount_codes_value CHECK (value <= 100) NOT VALID"
        )
        ticket = samples.ticket(rules, event)
        rules.execute(ATTACH, [code, ticket])
        rules.execute("UPDATE tickets SET price = 30 WHERE id = %s", [ticket])


def test_an_events_own_code_must_exist(rules: psycopg.Connection, refused: Refusal) -> None:
    with refused(rules, NotFound) as caught:
        samples.event(rules, discount_code_id=-1)
    assert caught.value.constraint == "events_discount_code"
