"""TRUNCATE calls no trigger of a row, and the books are right all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.procedures.selling.shop import Shop, broken, line

if TYPE_CHECKING:
    from tests.procedures.sessions import Session


@pytest.mark.parametrize(
    "tables",
    [
        "ticket_holders",
        "orders CASCADE",
        "tickets RESTART IDENTITY CASCADE",
        "events RESTART IDENTITY CASCADE",
    ],
)
def test_what_is_left_can_be_sold(rules: psycopg.Connection, tables: str) -> None:
    shop = Shop(rules)
    sold, unlimited = shop.ticket(quantity=2), shop.ticket(quantity=None)
    discount = shop.discount(sold, tickets_number=2)
    access = shop.access(sold, tickets_number=2)
    shop.place(line(sold, 2), discount_code=discount, access_code=access)
    shop.place(line(unlimited, 3))
    rules.execute(f"TRUNCATE {tables}".encode())
    assert broken(rules) == []
    again = Shop(rules)
    again.place(line(again.ticket(quantity=2), 2))
    assert broken(rules) == []
    if shop.value("SELECT count(*) FROM tickets WHERE id = %s", sold):
        rules.execute("UPDATE orders SET status = 'cancelled'")
        shop.place(line(sold, 2), discount_code=discount, access_code=access)
        assert (shop.uses(discount), shop.uses(access, "access_codes")) == (2, 2)
        assert broken(rules) == []


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_an_older_snapshot_is_refused(setup: Session, level: str) -> None:
    Shop(setup.connection).ticket()
    setup.begin(level)
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="under READ COMMITTED only"):
        setup.run("TRUNCATE ticket_holders")
    setup.rollback()
