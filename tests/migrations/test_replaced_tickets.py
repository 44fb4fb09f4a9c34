"""A ticket may go, with its holders, and come back under its id, at any moment of a migration."""

from __future__ import annotations

import random

import psycopg

from tests.migrations.live_clients import migrate_beside, seed
from tests.procedures import invariants

CLIENTS = 3
TICKETS = 4
IS_ON = (
    "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'ticket_holder_admission'"
    " AND tgfoid = to_regproc('oeventdb_internal.ticket_holder_admission'))"
)


def replace(dsn: str, client: int, ended: list[str]) -> None:
    """Replace tickets of one's own until the rule is on; then a broken one would be mended by the next."""
    chance = random.Random(client)
    with psycopg.connect(dsn, autocommit=True) as connection:
        while connection.execute(IS_ON).fetchone() == (False,):
            ticket = 2_000_000 + client * TICKETS + chance.randrange(TICKETS)
            try:
                with connection.transaction():
                    connection.execute("DELETE FROM tickets WHERE id = %s", [ticket])
                    connection.execute(
                        "INSERT INTO tickets (id, name, type, quantity, sales_starts_at, sales_ends_at, event_id)"
                        " VALUES (%s, %s, 'free', %s, now(), now(), 1)",
                        [ticket, f"Again {ticket}", chance.choice([0, 3, 30, None])],
                    )
                    if chance.random() < 0.7:
                        connection.execute(
                            "INSERT INTO ticket_holders (firstname, lastname, ticket_id) VALUES ('New', 'One', %s)",
                            [ticket],
                        )
                ended.append("done")
            except psycopg.Error as error:
                ended.append(str(error.sqlstate))


def test_the_books_of_a_ticket_that_came_back_are_right(legacy: str) -> None:
    with psycopg.connect(legacy, autocommit=True) as connection:
        seed(connection, 3000)
        ended = migrate_beside(legacy, replace, clients=CLIENTS, to="0005")
        assert ended.count("done") > 100
        assert set(ended) <= {"done", "OE101", "23503", "40P01"}
        assert invariants.broken(connection) == []
