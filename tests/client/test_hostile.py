"""Hostile values for every argument of every function: taken as data or refused as a rule, nothing else."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from oeventdb import Client, Error, InvalidArgument, RatingInvalid
from tests.client.test_methods import CALLS, Call, Place

TEXTS = [
    None,
    "",
    " ",
    "NaN",
    "1e400000",
    "Infinity",
    "٣",
    "'; DROP TABLE public.tickets; --",
    "%s %(a)s {} \\",
    "\x00",
    "\ud800",
    "\u202e\u0000",
    "é" * 500_000,
]
NUMBERS = [None, 0, -1, 1, 2**31, 2**63 - 1, -(2**63), 2**64, "7; DROP TABLE x", float("nan")]
MONEY = [
    None,
    Decimal("NaN"),
    Decimal("Infinity"),
    Decimal("-0.01"),
    Decimal("1e400"),
    Decimal("1e-400"),
    10**50,
]
TIMES = [
    None,
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, tzinfo=UTC),
    datetime(2026, 3, 29, 2, 30),  # noqa: DTZ001 - naive on purpose
    "infinity",
    "-infinity",
    "yesterday",
]
SPANS = [None, timedelta(0), timedelta(days=-1), timedelta.max, timedelta.min, "infinity", "1 fortnight"]
ARRAYS = [
    None,
    [],
    [None],
    [0],
    [2**63 - 1],
    [2**64],
    [1, 1],
    ["x"],
    list(range(1, 20_000)),
]
LINE = {"ticket_id": 1, "quantity": 1}
DOCUMENTS: list[Any] = [
    None,
    [],
    {},
    "text",
    7,
    [None],
    [[]],
    [{}],
    [LINE | {"quantity": 0}],
    [LINE | {"quantity": -1}],
    [LINE | {"quantity": 1.5}],
    [LINE | {"quantity": "1"}],
    [LINE | {"quantity": 10**30}],
    [LINE | {"ticket_id": 10**30}],
    [LINE | {"ticket_id": None}],
    [LINE | {"price": -1}],
    [LINE | {"price": float("nan")}],
    [LINE | {"price": 10**300}],
    [LINE | {"holders": "Ada"}],
    [LINE | {"holders": [{"firstname": "\x00"}]}],
    [LINE | {"holders": [{}, {}]}],
    [LINE | {"surprise": True}],
    [LINE] * 101,
    [LINE, LINE],
    [[[[[[[[]]]]]]]],
]
HOSTILE: dict[str, list[Any]] = {
    "text": TEXTS,
    "bigint": NUMBERS,
    "integer": NUMBERS,
    "numeric": MONEY,
    "timestamptz": TIMES,
    "interval": SPANS,
    "bigint[]": ARRAYS,
    "jsonb": DOCUMENTS,
}


def _types(method: str) -> dict[str, str]:
    from oeventdb import functions

    casts: dict[str, str] = getattr(functions, method.upper()).casts
    return casts


FULLEST = {call.method: call for call in sorted(CALLS, key=lambda call: len(call.arguments.__code__.co_code))}
"""Of the calls of each method, the one with the most arguments."""


@pytest.mark.parametrize("call", FULLEST.values(), ids=FULLEST)
def test_hostile_arguments(call: Call, undone: psycopg.Connection) -> None:
    place = Place(undone)
    client = Client(undone)
    for argument, type_ in _types(call.method).items():
        for value in HOSTILE[type_]:
            try:
                with undone.transaction(force_rollback=True):
                    getattr(client, call.method)(**call.arguments(place) | {argument: value})
            except Error as error:
                assert error.hint or error.detail, (argument, value)  # noqa: PT017
            except psycopg.DataError:
                # taken, and Python has no datetime to return it as
                assert value in ("infinity", "-infinity")
            except Exception as error:
                raise AssertionError(f"{call.method}({argument} => {str(value)[:60]!r})") from error
    assert undone.execute("SELECT count(*) > 0 FROM public.tickets").fetchone() == (True,)


@pytest.mark.parametrize("call", FULLEST.values(), ids=FULLEST)
def test_an_argument_takes_none_where_its_type_says_so(call: Call, undone: psycopg.Connection) -> None:
    place = Place(undone)
    method = getattr(Client(undone), call.method)
    for argument, parameter in inspect.signature(method).parameters.items():
        takes_none = True
        try:
            with undone.transaction(force_rollback=True):
                method(**call.arguments(place) | {argument: None})
        except (InvalidArgument, RatingInvalid):
            takes_none = False
        assert takes_none == parameter.annotation.endswith("| None"), argument
