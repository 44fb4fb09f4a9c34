"""create_discount_code: what is allowed is stored as it was said; what is not is refused by the name of the field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from oeventdb import (
    Client,
    DiscountCodeDefinition,
    DiscountCodeWrongKind,
    InvalidArgument,
    NotFound,
    WrongEvent,
)
from tests import samples
from tests.procedures.sessions import READ_COMMITTED, SERIALIZABLE, Session, Stage, endings, levels, outcome

if TYPE_CHECKING:
    from tests.procedures.conftest import Refusal

FAR = datetime(9999, 12, 31, tzinfo=UTC)
PAST = datetime(1, 1, 2, tzinfo=UTC)

CREATE = "SELECT id FROM oeventdb.create_discount_code(%s, %s, 'percent', 10)"
RAW = "INSERT INTO discount_codes (event_id, code, type, value, used_for) VALUES (%s, %s, 'percent', 10, 'ticket')"

GOOD: list[dict[str, Any]] = [
    {},
    {"value": Decimal(0)},
    {"value": Decimal(100)},
    {"value": Decimal("99.99")},
    {"type": "amount", "value": Decimal(1_000_000)},
    {"type": "amount", "value": Decimal("0.01"), "used_for": "event"},
    {"min_quantity": 0, "max_quantity": 0, "tickets_number": 0},
    {"min_quantity": 3, "max_quantity": 3, "tickets_number": 3},
    {"min_quantity": None, "max_quantity": 5},
    {"tickets_number": 2_147_483_647, "max_quantity": 2_147_483_647},
    {"valid_from": PAST, "valid_till": FAR},
    {"valid_from": FAR},
    {"valid_till": PAST},
    {"code": "'; DROP TABLE discount_codes; --"},
    {"code": "ÉTÉ ☀️\u2028"},
    {"code": "x" * 2000},
]

BAD: list[tuple[str, dict[str, Any]]] = [
    ("value", {"value": Decimal("100.000001")}),
    ("value", {"value": Decimal("-0.000001")}),
    ("value", {"value": Decimal("NaN")}),
    ("value", {"value": Decimal("Infinity"), "type": "amount"}),
    ("value", {"value": Decimal("1e400"), "type": "amount"}),
    ("value", {"value": Decimal("1e-400"), "type": "amount"}),
    ("value", {"value": Decimal(-1), "type": "amount", "used_for": "event"}),
    ("min_quantity", {"min_quantity": 3, "max_quantity": 2}),
    ("min_quantity", {"min_quantity": -1}),
    ("max_quantity", {"min_quantity": None, "max_quantity": -1}),
    ("tickets_number", {"tickets_number": 4, "max_quantity": 5}),
    ("tickets_number", {"tickets_number": -1}),
    ("valid_till", {"valid_from": samples.NOW, "valid_till": samples.NOW}),
    ("valid_till", {"valid_from": FAR, "valid_till": PAST}),
    ("code", {"code": "".join(chr(0x4E00 + (number * 7919) % 20_000) for number in range(350_000))}),
]

MALFORMED: list[tuple[str, dict[str, Any]]] = [
    ("code", {"code": None}),
    ("code", {"code": ""}),
    ("code", {"code": " \t\n\r\f\v"}),
    ("type", {"type": None}),
    ("type", {"type": "Percent"}),
    ("type", {"type": "x" * 1_000_000}),
    ("used_for", {"used_for": None}),
    ("used_for", {"used_for": "tickets"}),
    ("value", {"value": None}),
    ("ticket_ids", {"ticket_ids": None}),
    ("ticket_ids", {"ticket_ids": [None]}),
    ("ticket_ids", {"ticket_ids": [[1], [2]]}),
]


def create(connection: psycopg.Connection, event_id: int, fields: dict[str, Any]) -> Any:
    arguments: dict[str, Any] = {"code": "SUMMER", "type": "percent", "value": Decimal(10)} | fields
    return Client(connection).create_discount_code(event_id=event_id, **arguments)


@pytest.mark.parametrize("fields", GOOD, ids=lambda fields: ascii(fields)[:50])
def test_what_is_allowed_is_stored_as_it_was_said(rules: psycopg.Connection, fields: dict[str, Any]) -> None:
    event = samples.event(rules)
    made = create(rules, event, fields)
    assert (made.event_id, made.is_active) == (event, True)
    for field, value in fields.items():
        assert getattr(made, field) == value
    row = rules.execute("SELECT code, deleted_at, is_duplicate FROM discount_codes WHERE id = %s", [made.id])
    assert row.fetchone() == (made.code, None, False)


@pytest.mark.parametrize(("field", "fields"), BAD, ids=lambda value: ascii(value)[:50])
def test_a_definition_that_is_not_allowed_is_refused_by_its_field(
    rules: psycopg.Connection, refused: Refusal, field: str, fields: dict[str, Any]
) -> None:
    event = samples.event(rules)
    with refused(rules, DiscountCodeDefinition, field=field) as caught:
        create(rules, event, fields)
    assert caught.value.hint
    assert "See the constraint" not in caught.value.hint


@pytest.mark.parametrize(("argument", "fields"), MALFORMED, ids=lambda value: ascii(value)[:50])
def test_a_missing_or_malformed_argument_is_named(
    rules: psycopg.Connection, refused: Refusal, argument: str, fields: dict[str, Any]
) -> None:
    event = samples.event(rules)
    with refused(rules, InvalidArgument, argument=argument):
        create(rules, event, fields)
    count = rules.execute("SELECT count(*) FROM discount_codes WHERE event_id = %s", [event]).fetchone()
    assert count == (0,)


@pytest.mark.parametrize(
    ("field", "fields"),
    [case for case in BAD if case[0] != "code" and "E-400" not in ascii(case)],
    ids=lambda value: ascii(value)[:50],
)
def test_raw_writes_meet_the_constraint_of_the_field(
    rules: psycopg.Connection, refused: Refusal, field: str, fields: dict[str, Any]
) -> None:
    event = samples.event(rules)
    columns = {
        column: float(value) if isinstance(value, Decimal) else value for column, value in fields.items()
    }
    code = samples.discount_code(rules, event, used_for=columns.get("used_for", "ticket"))
    assignments = ", ".join(f"{column} = %({column})s" for column in columns)
    with refused(rules, DiscountCodeDefinition) as inserting:
        samples.discount_code(rules, event, **columns)
    with refused(rules, DiscountCodeDefinition) as updating:
        rules.execute(f"UPDATE discount_codes SET {assignments} WHERE id = {code}".encode(), columns)
    assert {inserting.value.constraint, updating.value.constraint} == {f"discount_codes_{field}"}


@pytest.mark.parametrize(
    ("column", "value"),
    [("type", "rebate"), ("type", ""), ("used_for", "Ticket"), ("code", "\t "), ("code", "")],
)
def test_raw_codes_have_a_text_a_type_and_a_kind(
    rules: psycopg.Connection, refused: Refusal, column: str, value: str
) -> None:
    event = samples.event(rules)
    with refused(rules, InvalidArgument) as caught:
        samples.discount_code(rules, event, **{column: value})
    assert caught.value.constraint == f"discount_codes_{column}"


def test_an_unknown_or_deleted_event_is_told(rules: psycopg.Connection, refused: Refusal) -> None:
    gone = samples.event(rules, deleted_at=samples.NOW)
    for wrong in (gone, -1, 2**63 - 1):
        with refused(rules, NotFound, resource="event", id=wrong):
            create(rules, wrong, {})
    with refused(rules, InvalidArgument, argument="event_id"):
        rules.execute(CREATE, [None, "X"])


def test_tickets_are_attached_or_nothing_is_created(rules: psycopg.Connection, refused: Refusal) -> None:
    event, elsewhere = samples.event(rules), samples.event(rules)
    mine, cheap = samples.ticket(rules, event), samples.ticket(rules, event, price=5)
    free, theirs = samples.ticket(rules, event, price=None), samples.ticket(rules, elsewhere)
    gone = samples.ticket(rules, event, deleted_at=samples.NOW)
    with refused(rules, NotFound, resource="ticket", id=-1):
        create(rules, event, {"ticket_ids": [mine, -1]})
    with refused(rules, NotFound, resource="ticket", id=gone):
        create(rules, event, {"ticket_ids": [gone]})
    with refused(rules, WrongEvent, resource="ticket", id=theirs, event_id=event):
        create(rules, event, {"ticket_ids": [mine, theirs]})
    with refused(rules, DiscountCodeWrongKind):
        create(rules, event, {"ticket_ids": [mine], "used_for": "event"})
    for ticket, price in ((cheap, 5), (free, 0)):
        with refused(rules, DiscountCodeDefinition, field="value", ticket_id=ticket, price=price, value=10):
            create(rules, event, {"ticket_ids": [mine, ticket], "type": "amount"})
    made = create(rules, event, {"ticket_ids": [cheap, mine, mine], "type": "amount", "value": Decimal(5)})
    attached = Client(rules).discount_code_tickets(discount_code_id=made.id)
    assert [ticket.id for ticket in attached] == sorted([mine, cheap])


@pytest.mark.parametrize("statement", [CREATE, RAW], ids=["function", "raw"])
def test_a_live_code_is_the_only_one_of_its_event_whatever_its_case(
    rules: psycopg.Connection, refused: Refusal, statement: str
) -> None:
    event, elsewhere = samples.event(rules), samples.event(rules)
    rules.execute(statement, [event, "Summer"])
    for same in ("Summer", "SUMMER", "sUMMER"):
        with refused(rules, DiscountCodeDefinition) as caught:
            rules.execute(statement, [event, same])
        assert (
            caught.value.detail.get("field") == "code"
            or caught.value.constraint == "discount_codes_event_code"
        )
    rules.execute(statement, [elsewhere, "summer"])
    rules.execute("UPDATE discount_codes SET deleted_at = now() WHERE event_id = %s", [event])
    rules.execute(statement, [event, "SUMMER"])
    with refused(rules, DiscountCodeDefinition):
        rules.execute("UPDATE discount_codes SET deleted_at = NULL WHERE event_id = %s", [event])


def test_a_sequence_that_lags_behind_is_no_fault_of_the_code(rules: psycopg.Connection) -> None:
    event = samples.event(rules)
    last = samples.discount_code(rules, event)
    rules.execute(
        "INSERT INTO discount_codes (id, event_id, code, type, value, used_for) OVERRIDING SYSTEM VALUE"
        " VALUES (%s, %s, 'Copied', 'percent', 10, 'ticket')",
        [last + 1, event],
    )
    with pytest.raises(psycopg.errors.UniqueViolation, match="discount_codes_pkey"), rules.transaction():
        create(rules, event, {})
    assert create(rules, event, {}).id == last + 2


@endings
@levels
@pytest.mark.parametrize("statement", [CREATE, RAW], ids=["function", "raw"])
def test_of_two_that_read_the_same_at_once_one_is_created(
    stage: Stage, setup: Session, statement: str, level: str, first_ends: str
) -> None:
    event = samples.event(setup.connection)
    first, second = stage.two(level)
    first.run(statement, [event, "Early"])
    running = second.start(statement, [event, "EARLY"])
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    ended = outcome(running)
    refusals = {"OE205" if statement == CREATE else "23505", *(["40001"] if level == SERIALIZABLE else [])}
    assert ended == "done" if first_ends == "ROLLBACK" else ended in refusals
    assert level != READ_COMMITTED or ended != "40001"
    second.finish(ended)
    assert setup.value("SELECT count(*) FROM discount_codes WHERE event_id = %s", [event]) == 1


@endings
def test_an_event_that_is_being_deleted_is_waited_for_and_told(
    stage: Stage, setup: Session, first_ends: str
) -> None:
    event = samples.event(setup.connection)
    first, second = stage.session(), stage.session()
    first.begin()
    first.run("DELETE FROM events WHERE id = %s", [event])
    running = second.start(CREATE, [event, "Early"])
    stage.blocked(second, running, by=first)
    first.run(first_ends)
    assert outcome(running) == ("OE404" if first_ends == "COMMIT" else "done")


def test_a_code_may_begin_at_any_time_that_is_before_its_end(rules: psycopg.Connection) -> None:
    soon = samples.NOW + timedelta(microseconds=1)
    made = create(rules, samples.event(rules), {"valid_from": samples.NOW, "valid_till": soon})
    assert made.valid_till == soon
