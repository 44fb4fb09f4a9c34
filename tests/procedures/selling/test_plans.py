"""A session keeps its plans: those that it made before the first sale have to do for the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.procedures.selling.shop import Shop, line

if TYPE_CHECKING:
    import psycopg

_SCANNED = """
SELECT relname, seq_scan FROM pg_stat_xact_user_tables
WHERE seq_scan > 0 AND relname IN (
    'orders', 'orders_tickets', 'ticket_holders', 'order_history', 'admissions', 'free_admissions'
)
"""


def test_nothing_that_grows_is_read_from_end_to_end(db: psycopg.Connection) -> None:
    """The tables are known to be empty, as they are before the first sale."""
    shop = Shop(db)
    db.execute("ANALYZE")
    ticket = shop.ticket(quantity=100)
    with db.transaction():
        for _ in range(10):
            order = shop.place(line(ticket, 2))
            shop.client.complete_order(order_identifier=order.identifier, payment_reference="paid")
            shop.client.cancel_order(order_identifier=shop.place(line(ticket)).identifier)
            holder = shop.client.add_ticket_holder(ticket_id=ticket, firstname="Ada", lastname="Lovelace").id
            shop.client.check_in(ticket_holder_id=holder)
            shop.client.undo_check_in(ticket_holder_id=holder)
            shop.client.remove_ticket_holder(ticket_holder_id=holder)
            shop.client.expire_orders()
        assert db.execute(_SCANNED).fetchall() == []


def test_an_order_ends_without_a_look_at_the_other_holders_of_its_ticket(db: psycopg.Connection) -> None:
    """Nothing is known of the tables, as when they have filled faster than they are analyzed."""
    shop = Shop(db)
    ticket = shop.ticket(quantity=7000)
    db.execute(
        "INSERT INTO public.ticket_holders (firstname, lastname, ticket_id)"
        " SELECT 'Ada', 'Lovelace', %s FROM pg_catalog.generate_series(1, 6000)",
        (ticket,),
    )
    orders = [shop.place(line(ticket, 10)).identifier for _ in range(10)]
    before = _read(db)
    for order in orders:
        shop.client.cancel_order(order_identifier=str(order))
    assert 0 < _read(db) - before < 1000


@pytest.mark.parametrize("column", ["discount_codes.discount_url", "access_codes.access_url"])
def test_a_session_that_sold_goes_on_when_a_column_is_dropped(db: psycopg.Connection, column: str) -> None:
    """As a migration drops one under the pools of a running application: a plan of before would put values into other columns."""
    shop = Shop(db)
    ticket = shop.ticket(price=20)
    codes = {"discount_code": shop.discount(ticket, value=10), "access_code": shop.access(ticket)}
    before = [shop.place(line(ticket), **codes).amount for _ in range(2)]
    db.execute("ALTER TABLE public.{} DROP COLUMN {}".format(*column.split(".")).encode())
    assert [*before, shop.place(line(ticket), **codes).amount] == [18, 18, 18]


def _read(db: psycopg.Connection) -> int:
    """Return how many entries of the indexes of holders have been read."""
    db.execute("SELECT pg_catalog.pg_stat_force_next_flush()")
    row = db.execute(
        "SELECT sum(idx_tup_read) FROM pg_catalog.pg_stat_user_indexes WHERE relname = 'ticket_holders'"
    ).fetchone()
    return int(row[0]) if row else 0
