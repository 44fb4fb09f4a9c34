"""Money is exact: what a seat costs is rounded once, half up, to the smallest coin of the currency."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oeventdb import DiscountCodeInvalid, InvalidArgument, NotOnSale
from tests.procedures.selling.shop import EMAIL, Shop, line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.procedures.conftest import Refusal

COINS = {"USD": 2, "EUR": 2, "JPY": 0, "KRW": 0, "KWD": 3, "TND": 3, "XXX": 2}

# what a float8 column keeps exactly as it was written: up to fifteen digits
PRICES = st.decimals(min_value=0, max_value=100_000, places=4)
VALUES = st.decimals(min_value=0, max_value=100, places=3)


def seat(
    price: Decimal, kind: str, value: Decimal | None, discount: str, coins: int
) -> tuple[Decimal, Decimal]:
    """What a seat costs before the discount, and what the discount takes off, by the rules in words."""
    coin = Decimal(1).scaleb(-coins)
    price = Decimal(0) if kind == "free" else price.quantize(coin, ROUND_HALF_UP)
    if value is None or kind in ("free", "donation"):
        return price, Decimal(0)
    left = price * (100 - value) / 100 if discount == "percent" else price - min(value, price)
    return price, price - left.quantize(coin, ROUND_HALF_UP)


@pytest.fixture(scope="module")
def till(shared: str) -> Iterator[psycopg.Connection]:
    """Return a connection whose work is never committed."""
    with psycopg.connect(shared) as connection:
        yield connection
        connection.rollback()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.tuples(PRICES, st.sampled_from(["paid", "free", "donation"]), st.integers(1, 40)),
        min_size=1,
        max_size=4,
    ),
    value=st.none() | VALUES,
    discount=st.sampled_from(["percent", "amount"]),
    currency=st.sampled_from(sorted(COINS)),
)
def test_what_is_charged_is_what_decimal_says(
    till: psycopg.Connection,
    lines: list[tuple[Decimal, str, int]],
    value: Decimal | None,
    discount: str,
    currency: str,
) -> None:
    with till.transaction(force_rollback=True):
        shop = Shop(till, payment_currency=currency)
        tickets = [shop.ticket(price=price, type=kind, quantity=40, max_order=40) for price, kind, _ in lines]
        order: list[dict[str, Any]] = [
            line(ticket, quantity, **({"price": price} if kind == "donation" else {}))
            for ticket, (price, kind, quantity) in zip(tickets, lines, strict=True)
        ]
        codes = {}
        if value is not None:
            # past the rules of definitions: old codes may be worth more than some of these seats
            codes = {"discount_code": shop.discount(type=discount, value=value)}
            till.execute("SET LOCAL session_replication_role = replica")
            till.execute(
                "UPDATE tickets SET discount_code_id = (SELECT id FROM discount_codes WHERE code = %s) WHERE id = ANY (%s)",
                [codes["discount_code"], tickets],
            )
            till.execute("SET LOCAL session_replication_role = origin")
        expected = [seat(price, kind, value, discount, COINS[currency]) for price, kind, _ in lines]
        quoted = shop.client.quote_order(event_id=shop.event, lines=order, **codes)
        assert [(row.price, row.discount) for row in quoted] == expected
        total = sum(
            (
                quantity * (price - off)
                for (price, off), (_, _, quantity) in zip(expected, lines, strict=True)
            ),
            Decimal(0),
        )
        assert sum(row.amount or 0 for row in quoted) == total
        assert {row.currency for row in quoted} == {currency}
        placed = shop.place(*order, **codes)
        assert (placed.amount, placed.currency) == (total, currency)
        assert placed.status == ("pending" if total else "completed")


@pytest.mark.parametrize(
    ("currency", "price", "kind", "value", "charged"),
    [
        ("USD", "0.125", "percent", "0", "0.13"),
        ("USD", "10.01", "percent", "50", "5.01"),
        ("USD", "0.01", "percent", "50", "0.01"),
        ("USD", "19.99", "percent", "33.333", "13.33"),
        ("USD", "20", "percent", "100", "0"),
        ("USD", "20", "amount", "19.995", "0.01"),
        ("USD", "20", "amount", "19.996", "0.00"),
        ("JPY", "999.5", "percent", "0", "1000"),
        ("JPY", "1001", "percent", "50", "501"),
        ("KWD", "0.0005", "percent", "0", "0.001"),
        ("KWD", "1.001", "percent", "50", "0.501"),
    ],
)
def test_half_a_coin_goes_up(
    shop: Shop, currency: str, price: str, kind: str, value: str, charged: str
) -> None:
    shop.connection.execute("UPDATE events SET payment_currency = %s WHERE id = %s", [currency, shop.event])
    ticket = shop.ticket(price=Decimal(price))
    code = shop.discount(ticket, type=kind, value=Decimal(value))
    order = shop.place(line(ticket, 3), discount_code=code)
    assert order.amount == 3 * Decimal(charged)


@pytest.mark.parametrize("currency", [None, ""])
def test_a_currency_that_nobody_named_is_the_dollar(shop: Shop, currency: str | None) -> None:
    shop.connection.execute("UPDATE events SET payment_currency = %s WHERE id = %s", [currency, shop.event])
    assert shop.place(line(shop.ticket())).currency == "USD"


def test_a_price_that_changes_does_not_change_what_was_sold(shop: Shop) -> None:
    ticket = shop.ticket(price=10)
    code = shop.discount(ticket, value=50)
    order = shop.place(line(ticket, 2), discount_code=code)
    shop.connection.execute("UPDATE tickets SET price = 99 WHERE id = %s", [ticket])
    shop.connection.execute("UPDATE discount_codes SET value = 1 WHERE code = %s", [code])
    shop.connection.execute("UPDATE events SET payment_currency = 'EUR' WHERE id = %s", [shop.event])
    paid = shop.client.complete_order(order_identifier=order.identifier)
    assert (paid.amount, paid.currency) == (Decimal(10), "USD")
    kept = shop.connection.execute(
        "SELECT quantity, price, discount FROM orders_tickets WHERE order_id = %s", [order.id]
    ).fetchall()
    assert kept == [(2, Decimal(10), Decimal(5))]


def test_a_quote_writes_and_holds_nothing(shop: Shop) -> None:
    ticket = shop.ticket(quantity=2, max_order=2)
    for _ in range(3):
        (row,) = shop.client.quote_order(event_id=shop.event, lines=[line(ticket, 2)])
    assert (row.ticket_id, row.quantity, row.amount) == (ticket, 2, Decimal(40))
    assert shop.held(ticket) == 0


def test_an_old_price_of_nothing_is_none(shop: Shop) -> None:
    order = shop.place(line(shop.ticket(price=None)))
    assert (order.amount, order.status) == (Decimal(0), "completed")


@pytest.mark.parametrize("price", ["-0.01", "NaN", "Infinity"])
@pytest.mark.parametrize("way", ["place_order", "quote_order"])
def test_a_price_that_is_none_is_not_sold(shop: Shop, refused: Refusal, price: str, way: str) -> None:
    ticket = shop.ticket(price=price)
    order: dict[str, Any] = {"event_id": shop.event, "lines": [line(ticket)]}
    if way == "place_order":
        order["email"] = EMAIL
    with refused(shop.connection, NotOnSale, ticket_id=ticket, price=price):
        getattr(shop.client, way)(**order)


@pytest.mark.parametrize("kind", ["percent", "amount"])
def test_an_old_code_whose_value_is_no_number_takes_nothing_off(
    shop: Shop, refused: Refusal, kind: str
) -> None:
    ticket = shop.ticket(price=20)
    code = shop.discount(ticket, type=kind, value=5)
    shop.connection.execute("ALTER TABLE discount_codes DISABLE TRIGGER discount_code_definition")
    shop.connection.execute(
        "UPDATE discount_codes SET value = 'NaN', is_legacy = true WHERE code = %s", [code]
    )
    with refused(shop.connection, DiscountCodeInvalid, reason="without a value"):
        shop.place(line(ticket), discount_code=code)


@pytest.mark.parametrize("way", ["place_order", "quote_order"])
def test_an_amount_that_no_order_can_have_is_not_sold(shop: Shop, refused: Refusal, way: str) -> None:
    order: dict[str, Any] = {"event_id": shop.event, "lines": [line(shop.ticket(price=1e308), 10)]}
    if way == "place_order":
        order["email"] = EMAIL
    with refused(shop.connection, InvalidArgument, argument="lines"):
        getattr(shop.client, way)(**order)
