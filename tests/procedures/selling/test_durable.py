"""What a client has seen committed outlives a crash, also where commits do not wait for the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from oeventdb import schema
from tests.procedures.selling.shop import Shop, line

if TYPE_CHECKING:
    from oeventdb.servers.local_postgres import LocalPostgres


def test_no_order_and_no_check_in_is_lost(forgetful: LocalPostgres) -> None:
    schema.migrate(forgetful.conninfo())
    with psycopg.connect(forgetful.conninfo(), autocommit=True) as connection:
        shop = Shop(connection)
        ticket = shop.ticket()
        connection.execute("CHECKPOINT")
        order = shop.place(line(ticket))
        forgetful.kill9()
    forgetful.start()
    with psycopg.connect(forgetful.conninfo(), autocommit=True) as connection:
        status = "SELECT status FROM orders WHERE identifier = %s"
        assert connection.execute(status, (order.identifier,)).fetchone() == ("pending",)
        connection.execute("SELECT FROM oeventdb.complete_order(%s)", (order.identifier,))
        forgetful.kill9()
    forgetful.start()
    with psycopg.connect(forgetful.conninfo(), autocommit=True) as connection:
        assert connection.execute(status, (order.identifier,)).fetchone() == ("completed",)
        (holder,) = connection.execute("SELECT id FROM ticket_holders").fetchone() or ()
        connection.execute("SELECT FROM oeventdb.check_in(%s)", (holder,))
        forgetful.kill9()
    forgetful.start()
    with psycopg.connect(forgetful.conninfo(), autocommit=True) as connection:
        assert connection.execute("SELECT is_checked_in FROM ticket_holders").fetchone() == (True,)
