"""A session keeps its plans: those that it made before the first sale have to do for the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
            shop.client.complete_order(order_identifier=str(order.identifier), payment_reference="paid")
            shop.client.cancel_order(order_identifier=str(shop.place(line(ticket)).identifier))
            holder = shop.client.add_ticket_holder(ticket_id=ticket, firstname="Ada", lastname="Lovelace").id
            shop.client.check_in(ticket_holder_id=holder)
            shop.client.undo_check_in(ticket_holder_id=holder)
            shop.client.remove_ticket_holder(ticket_holder_id=holder)
            shop.client.expire_orders()
        assert db.execute(_SCANNED).fetchall() == []
