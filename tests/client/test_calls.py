"""How calls are made: only what was given, columns by name, values of the right types."""

from __future__ import annotations

import copy
import pickle
import re
from collections import UserDict, deque
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import psycopg
import pytest

import oeventdb
from oeventdb import DEFAULT, Client
from oeventdb.calls import Function, array, given, jsonb
from oeventdb.rows import EventRating
from tests import samples

PROBE = """
CREATE FUNCTION oeventdb.probe({arguments}) RETURNS {returns} LANGUAGE plpgsql SET search_path = '' AS
$$ BEGIN RETURN {value}; END $$
"""


def _value(db: psycopg.Connection, function: Function[Any], **arguments: Any) -> Any:
    return Client(db)._one(function, given(**arguments))


def _probe(db: psycopg.Connection, type_: str) -> None:
    db.execute(PROBE.format(arguments=f"a {type_}", returns=type_, value="probe.a"))


def test_an_argument_left_out_is_not_in_the_statement() -> None:
    function = Function("f", int, a="bigint", b="text")
    assert function.statement(given(a=1, b=DEFAULT)) == b"SELECT oeventdb.f(a => %(a)s::bigint)"
    assert function.statement(given(a=DEFAULT, b=DEFAULT)) == b"SELECT oeventdb.f()"
    assert b"b => %(b)s::text" in function.statement(given(a=1, b=None))


def test_statements_are_built_once() -> None:
    function = Function("f", int, a="bigint")
    assert function.statement({"a": 1}) is function.statement({"a": 2})


def test_a_default_is_the_one_of_the_database(undone: psycopg.Connection) -> None:
    function = Function("probe", int, a="integer")
    undone.execute(PROBE.format(arguments="a integer DEFAULT 7", returns="integer", value="probe.a"))
    assert _value(undone, function, a=DEFAULT) == 7
    undone.execute("DROP FUNCTION oeventdb.probe")
    undone.execute(PROBE.format(arguments="a integer DEFAULT 8", returns="integer", value="probe.a"))
    assert _value(undone, function, a=DEFAULT) == 8


def test_help_shows_a_default_by_its_name() -> None:
    assert repr(DEFAULT) == "DEFAULT"


def test_a_copy_of_a_default_is_the_default() -> None:
    assert copy.copy(DEFAULT) is DEFAULT
    assert copy.deepcopy({"a": DEFAULT})["a"] is DEFAULT
    assert pickle.loads(pickle.dumps(DEFAULT)) is DEFAULT  # noqa: S301


def test_a_newer_database_may_add_columns_and_arguments(undone: psycopg.Connection) -> None:
    undone.execute("DROP FUNCTION oeventdb.event_rating")
    undone.execute("ALTER TYPE oeventdb.event_rating ADD ATTRIBUTE median numeric")
    undone.execute(
        """
        CREATE FUNCTION oeventdb.event_rating(event_id bigint, since timestamptz DEFAULT NULL)
        RETURNS SETOF oeventdb.event_rating LANGUAGE plpgsql ROWS 1 AS
        $$ BEGIN RETURN QUERY SELECT 5::bigint, 4.5, 2::bigint, 4.0; END $$
        """
    )
    assert Client(undone).event_rating(event_id=5) == EventRating(5, Decimal("4.5"), 2)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("text", "o'reilly; -- \"\\ %s %(a)s €"),
        ("text", ""),
        ("text", None),
        ("text", "x" * 1_000_000),
        ("bigint", 2**63 - 1),
        ("bigint", -(2**63)),
        ("numeric", Decimal("0.10")),
        ("numeric", Decimal("1e400")),
        ("boolean", True),
        ("timestamptz", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("jsonb", [{"a": None, "b": "é", "c": [1, 2.5]}]),
    ],
)
def test_values_arrive_as_they_were_given(undone: psycopg.Connection, type_: str, value: Any) -> None:
    _probe(undone, type_)
    bound = jsonb("a", value) if type_ == "jsonb" else value
    assert _value(undone, Function("probe", object, a=type_), a=bound) == value


def test_any_sequence_is_an_array(undone: psycopg.Connection) -> None:
    _probe(undone, "bigint[]")
    function = Function("probe", list[int], a="bigint[]")
    for sequence in ([], (), [1, 2], (1, 2), range(3)):
        assert _value(undone, function, a=array(sequence)) == list(sequence)
    assert array(None) is None
    assert array(DEFAULT) is DEFAULT


@pytest.mark.parametrize("value", ["12", b"12", bytearray(b"12"), 12])
def test_what_is_one_value_is_no_array_of_its_pieces(undone: psycopg.Connection, value: Any) -> None:
    _probe(undone, "bigint[]")
    with pytest.raises(oeventdb.InvalidArgument):
        _value(undone, Function("probe", list[int], a="bigint[]"), a=array(value))


def test_money_inside_json_is_a_number(undone: psycopg.Connection) -> None:
    _probe(undone, "jsonb")
    price = jsonb("a", [{"price": Decimal("5.10")}])
    assert _value(undone, Function("probe", object, a="jsonb"), a=price) == [{"price": 5.1}]


@pytest.mark.parametrize("number", ["1.00499999999999999", "1e400", "NaN", "sNaN", "-Infinity"])
def test_money_that_would_not_arrive_as_it_is_is_refused(number: str) -> None:
    with pytest.raises(oeventdb.InvalidArgument) as caught:
        jsonb("lines", [{"price": Decimal(number)}])
    assert caught.value.detail == {"argument": "lines", "reason": str(caught.value)}


def test_mappings_and_sequences_of_any_kind_are_json() -> None:
    assert jsonb("a", deque([MappingProxyType({"b": (1, UserDict(c=2))})])) == '[{"b": [1, {"c": 2}]}]'
    for value in ({1, 2}, b"bytes", bytearray()):
        with pytest.raises(TypeError, match=f"{type(value).__name__} is no JSON value"):
            jsonb("a", [value])


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("bigint", 2**63),
        ("bigint", -(2**200)),
        ("bigint", "seven"),
        ("bigint", 745.5),
        ("bigint", Decimal("745.5")),
        ("bigint", b"745"),
        ("bigint[]", [1, bytearray(b"745")]),
        ("bigint[]", array("745")),
        ("bigint[]", array(b"745")),
        ("integer", 2**31),
        ("bigint[]", [1, 1.5]),
        ("text", b"Ada"),
        ("text", bytearray(b"Ada")),
        ("text", memoryview(b"Ada")),
        ("text", "a\x00b"),
        ("text", "\ud800"),
        ("jsonb", jsonb("b", "\x00")),
        ("jsonb", jsonb("b", float("nan"))),
        ("timestamptz", "the day after tomorrow"),
    ],
)
@pytest.mark.parametrize("is_in_pipeline", [False, True])
def test_a_value_that_is_none_of_the_type_is_an_invalid_argument(
    undone: psycopg.Connection, type_: str, value: Any, is_in_pipeline: bool
) -> None:
    undone.execute(PROBE.format(arguments=f"a text, b {type_}", returns=type_, value="probe.b"))
    function = Function("probe", object, a="text", b=type_)
    with undone.pipeline() if is_in_pipeline else nullcontext():
        with pytest.raises(oeventdb.InvalidArgument) as caught:
            _value(undone, function, a="fine", b=value)
        undone.rollback()
    assert caught.value.sqlstate == "OE400"
    assert caught.value.detail == {"argument": "b", "reason": str(caught.value)}
    assert caught.value.hint == "Correct b and call again; nothing was written."


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("interval", 900),
        ("bigint", True),
        ("timestamptz", timedelta(hours=1)),
        ("numeric", datetime.now(UTC)),
    ],
)
@pytest.mark.parametrize("is_in_pipeline", [False, True])
def test_a_value_of_a_type_that_cannot_become_the_arguments_is_an_invalid_argument(
    undone: psycopg.Connection, type_: str, value: Any, is_in_pipeline: bool
) -> None:
    _probe(undone, type_)
    function = Function("probe", object, a=type_)
    with undone.pipeline() if is_in_pipeline else nullcontext():
        with pytest.raises(oeventdb.InvalidArgument) as caught:
            _value(undone, function, a=value)
        undone.rollback()
    assert re.fullmatch("cannot cast type [a-z ]+ to [a-z ]+", str(caught.value))
    assert caught.value.detail == {"reason": str(caught.value)}
    assert caught.value.hint == "Correct the arguments and call again; nothing was written."


def test_a_cast_that_a_function_lacks_is_nobody_s_invalid_argument(undone: psycopg.Connection) -> None:
    undone.execute(PROBE.format(arguments="a boolean", returns="bigint", value="probe.a::timestamptz"))
    with pytest.raises(psycopg.errors.CannotCoerce):
        _value(undone, Function("probe", object, a="boolean"), a=True)


@pytest.mark.parametrize(
    ("type_", "value"),
    [("bigint", {"id": 745}), ("text", {"Ada"}), ("bigint[]", [1, {}]), ("timestamptz", object())],
)
@pytest.mark.parametrize("is_in_pipeline", [False, True])
def test_a_value_that_psycopg_cannot_send_is_an_invalid_argument(
    undone: psycopg.Connection, type_: str, value: Any, is_in_pipeline: bool
) -> None:
    undone.execute(PROBE.format(arguments=f"a text, b {type_}", returns=type_, value="probe.b"))
    function = Function("probe", object, a="text", b=type_)
    with undone.pipeline() if is_in_pipeline else nullcontext():
        with pytest.raises(oeventdb.InvalidArgument, match="cannot adapt type") as caught:
            _value(undone, function, a="fine", b=value)
        undone.rollback()
    assert caught.value.detail == {"argument": "b", "reason": str(caught.value)}


@pytest.mark.parametrize("time", ["infinity", "0044-03-15 BC", "9999-12-31 23:59 America/Lima"])
@pytest.mark.parametrize("is_in_pipeline", [False, True])
def test_a_time_that_python_does_not_have_is_nobody_s_invalid_argument(
    db: psycopg.Connection, event_id: int, time: str, is_in_pipeline: bool
) -> None:
    code = samples.discount_code(db, event_id)
    db.execute("UPDATE discount_codes SET valid_from = NULL, valid_till = NULL WHERE id = %s", [code])
    db.execute("UPDATE discount_codes SET created_at = %s WHERE id = %s", [time, code])
    with (
        db.pipeline() if is_in_pipeline else nullcontext(),
        pytest.raises(psycopg.DataError, match="timestamp too"),
    ):
        Client(db).delete_discount_code(discount_code_id=code)
    deleted = db.execute("SELECT deleted_at IS NOT NULL FROM discount_codes WHERE id = %s", [code])
    assert deleted.fetchone() in (None, (True,))


def test_errors_that_are_no_refusal_pass_unchanged(undone: psycopg.Connection) -> None:
    undone.execute("DROP FUNCTION oeventdb.update_rating")
    with pytest.raises(psycopg.errors.UndefinedFunction) as caught:
        Client(undone).update_rating(rating="1")
    assert caught.value.__cause__ is None


def test_rows_are_frozen_compare_by_value_and_have_no_dict(client: Client, event_id: int) -> None:
    row = client.event_rating(event_id=event_id)
    assert row == EventRating(event_id=event_id, average=None, count=0)
    assert hash(row) == hash(EventRating(event_id, None, 0))
    assert repr(row) == f"EventRating(event_id={event_id}, average=None, count=0)"
    assert not hasattr(row, "__dict__")
    with pytest.raises(AttributeError):
        row.count = 1  # type: ignore[misc]
