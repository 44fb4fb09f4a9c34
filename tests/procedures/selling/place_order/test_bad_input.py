"""Whatever cannot be meant is refused with the argument's name, and nothing is written."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from oeventdb import InvalidArgument, translated
from tests.procedures.selling.shop import EMAIL, Shop, line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.procedures.conftest import Refusal

_CALL = """
SELECT oeventdb.{}(event_id => %(event_id)s, lines => %(lines)s::jsonb{})
"""


def _counts(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """How many rows each table has."""
    tables = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'oeventdb_internal')"
    ).fetchall()
    counts = {}
    for names in tables:
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*names))).fetchone()
        assert row is not None
        counts[".".join(names)] = int(row[0])
    return counts


@pytest.fixture
def untouched(shop: Shop) -> Iterator[Shop]:
    """Return a shop with a ticket in which the test may write nothing."""
    shop.ticket()
    before = _counts(shop.connection)
    yield shop
    assert _counts(shop.connection) == before


def _ticket(shop: Shop) -> int:
    return int(shop.value("SELECT id FROM tickets WHERE event_id = %s", shop.event))


LINES: dict[str, Callable[[int], Any]] = {
    "empty": lambda _: [],
    "an object": line,
    "a text": lambda _: "one ticket",
    "a number": lambda _: 1,
    "JSON null": lambda _: "null",
    "true": lambda _: True,
    "a line that is null": lambda _: [None],
    "a line that is a number": lambda t: [t],
    "a line that is an array": lambda t: [[t, 1]],
    "an empty line": lambda _: [{}],
    "no ticket": lambda _: [{"quantity": 1}],
    "no quantity": lambda t: [{"ticket_id": t}],
    "an unknown key": lambda t: [line(t, colour="red")],
    "a key in capitals": lambda t: [line(t, Price=1)],
    "the same ticket twice": lambda t: [line(t), line(t)],
    "the same ticket far apart": lambda t: [line(t), line(t + 1), line(t)],
    "a ticket as text": lambda t: [line(str(t))],  # type: ignore[arg-type]
    "a ticket that is null": lambda _: [{"ticket_id": None, "quantity": 1}],
    "a ticket with a fraction": lambda t: [line(t + 0.5)],  # type: ignore[arg-type]
    "ticket 0": lambda _: [line(0)],
    "a negative ticket": lambda _: [line(-1)],
    "a ticket beyond bigint": lambda _: [line(2**63)],
    "quantity 0": lambda t: [line(t, 0)],
    "a negative quantity": lambda t: [line(t, -1)],
    "a quantity as text": lambda t: [line(t, "2")],  # type: ignore[arg-type]
    "a quantity that is null": lambda t: [line(t, None)],  # type: ignore[arg-type]
    "a quantity that is true": lambda t: [line(t, True)],  # noqa: FBT003
    "half a seat": lambda t: [line(t, 0.5)],  # type: ignore[arg-type]
    "10,001 seats": lambda t: [line(t, 10_001)],
    "a quantity beyond integer": lambda t: [line(t, 2**31)],
    "a quantity beyond bigint": lambda t: [line(t, 10**400)],
    "10,001 seats in two lines": lambda t: [line(t, 5_001), line(t + 1, 5_000)],
    "101 lines": lambda t: [line(t + n) for n in range(101)],
    "10,000 lines": lambda t: [line(t + n) for n in range(10_000)],
    "a price on a paid ticket": lambda t: [line(t, price=5)],
    "a price of nothing on a paid ticket": lambda t: [line(t, price=0)],
    "a price that is null": lambda t: [line(t, price=None)],
    "a price as text": lambda t: [line(t, price="5.00")],
    "a negative price": lambda t: [line(t, price=-1)],
    "a price a little below nothing": lambda t: [line(t, price=-0.001)],
    "a price of 1e400": lambda t: [line(t, price=10**400)],
    "holders that are null": lambda t: [line(t, holders=None)],
    "holders that are one": lambda t: [line(t, holders={"firstname": "Ada"})],
    "more holders than seats": lambda t: [line(t, holders=[{}, {}])],
    "a holder that is a name": lambda t: [line(t, holders=["Ada"])],
    "a holder that is null": lambda t: [line(t, holders=[None])],
    "a holder with another key": lambda t: [line(t, holders=[{"name": "Ada"}])],
    "a holder with a number for a name": lambda t: [line(t, holders=[{"firstname": 1}])],
    "a holder with a list for a name": lambda t: [line(t, holders=[{"firstname": ["Ada"]}])],
    "a holder with a name of 1 MB": lambda t: [line(t, holders=[{"firstname": "a" * 2**20}])],
    "nested three hundred times": lambda _: json.loads("[" * 300 + "]" * 300),
}


@pytest.mark.parametrize("given", LINES.values(), ids=list(LINES))
def test_lines_that_are_none(untouched: Shop, refused: Refusal, given: Callable[[int], Any]) -> None:
    lines = given(_ticket(untouched))
    text = lines if lines == "null" else json.dumps(lines)
    for function, more in (("place_order", ", email => %(email)s"), ("quote_order", "")):
        with refused(untouched.connection, InvalidArgument, argument="lines"):
            untouched.connection.execute(
                _CALL.format(function, more).encode(),
                {"event_id": untouched.event, "lines": text, "email": EMAIL},
            )
    if lines != "null":
        with refused(untouched.connection, InvalidArgument, argument="lines"):
            untouched.client.place_order(event_id=untouched.event, lines=lines, email=EMAIL)
        with refused(untouched.connection, InvalidArgument, argument="lines"):
            untouched.client.place_order(
                event_id=untouched.event, lines=lines, email=EMAIL, idempotency_key="a key"
            )


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e200000", "1e-20000"])
def test_what_no_json_number_can_be(untouched: Shop, number: str) -> None:
    text = f'[{{"ticket_id": {_ticket(untouched)}, "quantity": {number}}}]'
    with (
        pytest.raises((psycopg.DataError, InvalidArgument)),
        translated(),
        untouched.connection.transaction(),
    ):
        untouched.connection.execute(
            _CALL.format("quote_order", "").encode(), {"event_id": untouched.event, "lines": text}
        )


@pytest.mark.parametrize("number", [float("nan"), float("inf"), Decimal("NaN"), Decimal("1e400")])
def test_the_client_sends_no_number_that_is_none(untouched: Shop, number: Any) -> None:
    with pytest.raises(InvalidArgument), untouched.connection.transaction():
        untouched.place(line(_ticket(untouched), price=number))


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("event_id", None),
        ("lines", None),
        ("email", None),
        ("email", ""),
        ("email", " "),
        ("email", "ada"),
        ("email", "@"),
        ("email", "ada@"),
        ("email", "@example.org"),
        ("email", "a@b@c"),
        ("email", "ada lovelace@example.org"),
        ("email", "ada@example.org\n"),
        ("email", "a" * 2**20 + "@example.org"),
        ("email", "a@" + "b" * 253),
        ("hold", None),
        ("hold", timedelta(0)),
        ("hold", timedelta(minutes=-15)),
        ("hold", timedelta(days=36525)),
        ("hold", timedelta(days=30, microseconds=1)),
        ("discount_code", ""),
        ("discount_code", " \t"),
        ("access_code", ""),
        ("access_code", "\n"),
        ("idempotency_key", ""),
        ("idempotency_key", "k" * 256),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_arguments_that_cannot_be_meant(untouched: Shop, refused: Refusal, argument: str, value: Any) -> None:
    with refused(untouched.connection, InvalidArgument, argument=argument):
        untouched.place(line(_ticket(untouched)), **{argument: value})
    if argument not in ("idempotency_key", "event_id"):
        with refused(untouched.connection, InvalidArgument, argument=argument):
            untouched.place(line(_ticket(untouched)), **{"idempotency_key": "a key", argument: value})


def test_a_hold_of_no_time_is_told_what_is_one(untouched: Shop) -> None:
    said = "hold is not more than 0 and at most 30 days"
    with pytest.raises(InvalidArgument, match=said), untouched.connection.transaction():
        untouched.place(line(_ticket(untouched)), hold=timedelta(0))


def test_a_hold_without_end(untouched: Shop, refused: Refusal) -> None:
    if untouched.connection.info.server_version < 170000:
        pytest.skip("intervals are finite before PostgreSQL 17")
    for hold in ("infinity", "-infinity"):
        with refused(untouched.connection, InvalidArgument, argument="hold"):
            untouched.connection.execute(
                "SELECT oeventdb.place_order(%s, %s::jsonb, %s, hold => %s::interval)",
                [untouched.event, json.dumps([line(_ticket(untouched))]), EMAIL, hold],
            )


@pytest.mark.parametrize(
    ("hold", "hours"),
    [("1 month", 720), ("31 days -1 month", 24), ("30 days", 720)],
)
def test_a_hold_lasts_as_long_as_it_is_compared(shop: Shop, hold: str, hours: int) -> None:
    # in which now and then a day has 25 hours
    shop.connection.execute("SET LOCAL timezone = 'Europe/Berlin'")
    held = shop.value(
        "SELECT expires_at - created_at FROM oeventdb.place_order(%s, %s::jsonb, %s, hold => %s::interval)",
        shop.event,
        json.dumps([line(shop.ticket())]),
        EMAIL,
        hold,
    )
    assert held == timedelta(hours=hours)


@pytest.mark.parametrize("function", ["complete_order", "cancel_order"])
@pytest.mark.parametrize("identifier", [None, "", " "])
def test_an_order_without_a_name(
    untouched: Shop, refused: Refusal, function: str, identifier: str | None
) -> None:
    with refused(untouched.connection, InvalidArgument, argument="order_identifier"):
        getattr(untouched.client, function)(order_identifier=identifier)


@pytest.mark.parametrize("batch", [None, 0, -1])
def test_a_batch_that_is_none(untouched: Shop, refused: Refusal, batch: Any) -> None:
    with refused(untouched.connection, InvalidArgument, argument="batch"):
        untouched.client.expire_orders(batch=batch)


def test_numbers_are_read_however_they_are_written(shop: Shop) -> None:
    ticket = shop.ticket()
    for number in ("2", "2.0", "2e0", "0.2e1", "20e-1"):
        rows = shop.connection.execute(
            "SELECT quantity, amount FROM oeventdb.quote_order(%s, %s::jsonb)",
            [shop.event, f'[{{"ticket_id": {ticket}.0, "quantity": {number}}}]'],
        ).fetchall()
        assert rows == [(2, Decimal("40.00"))]
