"""TRUNCATE calls no trigger of a row, and the uses of codes are right all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.procedures.selling.shop import Shop, broken, line

if TYPE_CHECKING:
    import psycopg


@pytest.mark.parametrize(
    "tables", ["orders", "discount_codes, access_codes, tickets", "events RESTART IDENTITY"]
)
def test_what_is_left_can_be_sold(rules: psycopg.Connection, tables: str) -> None:
    shop = Shop(rules)
    sold, unlimited = shop.ticket(quantity=2), shop.ticket(quantity=None)
    discount = shop.discount(sold, tickets_number=2)
    access = shop.access(sold, tickets_number=2)
    shop.place(line(sold, 2), discount_code=discount, access_code=access)
    shop.place(line(unlimited, 3))
    rules.execute(f"TRUNCATE {tables} CASCADE".encode())
    assert broken(rules) == []
    again = Shop(rules)
    again.place(line(again.ticket(quantity=2), 2))
    assert broken(rules) == []
    if shop.value("SELECT count(*) FROM tickets WHERE id = %s", sold):
        rules.execute("UPDATE orders SET status = 'cancelled'")
        shop.place(line(sold, 2), discount_code=discount, access_code=access)
        assert (shop.uses(discount), shop.uses(access, "access_codes")) == (2, 2)
        assert broken(rules) == []
