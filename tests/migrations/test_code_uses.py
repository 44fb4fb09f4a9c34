"""What the migrations count as uses of discount codes: the seats of live orders, as far as the limit goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import Client, DiscountCodeUsedUp, schema
from tests.migrations.surroundings import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Databases

ROWS = """
INSERT INTO events (id, name, starts_at, ends_at, timezone) VALUES (1, 'one', now(), now(), 'UTC');
INSERT INTO tickets (id, name, type, quantity, price, sales_starts_at, sales_ends_at, event_id)
SELECT id, 'ticket ' || id, 'paid', 100, 20, now(), now() + interval '1 day', 1 FROM generate_series(1, 4) AS id;
INSERT INTO discount_codes (id, code, type, value, used_for, event_id, tickets, tickets_number, max_quantity) VALUES
    (1, 'LIMITED', 'percent', 10, 'ticket', 1, '1', 5, 5),
    (2, 'UNLIMITED', 'percent', 10, 'ticket', 1, '2', NULL, 5),
    (3, 'BROKEN', 'percent', 150, 'ticket', 1, '3', 5, 5);
INSERT INTO orders (id, identifier, status, event_id, discount_code_id) VALUES
    (1, 'cancelled', 'cancelled', 1, 1), (2, 'first', 'completed', 1, 1), (3, 'second', NULL, 1, 1),
    (4, 'too late', 'pending', 1, 1), (5, 'unlimited', 'completed', 1, 2), (6, 'broken', 'completed', 1, 3),
    (7, 'other tickets', 'completed', 1, 1);
INSERT INTO ticket_holders (firstname, lastname, ticket_id, event_id, order_id)
SELECT 'A', 'B', ticket_id, 1, order_id
FROM (VALUES (1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (6, 3), (7, 4)) AS o (order_id, ticket_id)
CROSS JOIN generate_series(1, 3) AS seat;
"""


@pytest.fixture(scope="module")
def sold_template(databases: Databases, legacy_template: str) -> str:
    def prepare(dsn: str) -> None:
        run(dsn, ROWS)
        schema.migrate(dsn)

    return databases.template(legacy_template, prepare)


@pytest.fixture
def sold(new_database: Callable[[str], str], sold_template: str) -> psycopg.Connection:
    """An autocommit connection to a migrated database whose orders used codes before."""
    return psycopg.connect(new_database(sold_template), autocommit=True)


def used(connection: psycopg.Connection) -> dict[int, int]:
    return dict(connection.execute("SELECT id, used_number FROM discount_codes").fetchall())


def test_seats_of_live_orders_are_uses_up_to_the_limit_and_older_orders_come_first(
    sold: psycopg.Connection,
) -> None:
    with sold:
        seats: dict[int, int | None] = dict(sold.execute("SELECT id, discount_seats FROM orders").fetchall())
        assert seats == {1: None, 2: 3, 3: 2, 4: 0, 5: None, 6: 3, 7: None}
        assert used(sold) == {1: 5, 2: 0, 3: 3}
        sold.execute("UPDATE orders SET status = 'cancelled' WHERE id = 2")
        assert used(sold)[1] == 2


def test_an_order_whose_code_breaks_a_rule_can_be_cancelled_and_deleted(sold: psycopg.Connection) -> None:
    with sold:
        sold.execute("UPDATE orders SET status = 'cancelled' WHERE id = 6")
        sold.execute("UPDATE orders SET status = 'completed' WHERE id = 6")
        sold.execute("DELETE FROM ticket_holders WHERE order_id = 6")
        sold.execute("DELETE FROM orders WHERE id = 6")
        assert used(sold)[3] == 0


def test_a_code_that_breaks_a_rule_sells_until_it_is_used_up_and_can_be_switched_off(legacy: str) -> None:
    """Open Event's own default of 100 for max_quantity is more than most limits."""
    with psycopg.connect(legacy, autocommit=True) as connection:
        connection.execute(ROWS.encode())
        connection.execute(
            "UPDATE events SET state = 'published', ends_at = now() + interval '1 day';"
            " UPDATE tickets SET min_order = 1, max_order = 10, is_hidden = false;"
            " UPDATE discount_codes SET tickets_number = 4, max_quantity = 100, is_active = true, value = 10 WHERE id = 3;"
            " DELETE FROM orders"
        )
    schema.migrate(legacy)
    with psycopg.connect(legacy, autocommit=True) as sold:
        client = Client(sold)
        lines = [{"ticket_id": 3, "quantity": 3}]
        (quoted,) = client.quote_order(event_id=1, lines=lines, discount_code="broken")
        order = client.place_order(event_id=1, lines=lines, email="ada@example.org", discount_code="broken")
        assert order.amount == quoted.amount == 54
        assert used(sold)[3] == 3
        with pytest.raises(DiscountCodeUsedUp):
            client.place_order(event_id=1, lines=lines, email="ada@example.org", discount_code="broken")
        sold.execute("UPDATE discount_codes SET is_active = false WHERE id = 3")
        client.replace_discount_code_tickets(discount_code_id=3, ticket_ids=[])
