"""Clients that never pause keep no migration from coming to its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from oeventdb import schema
from tests.migrations.live_clients import seed

CLIENTS = 4
PATIENCE = 90

WRITES = (
    "UPDATE tickets SET quantity = (ARRAY[0, 1, 10, 60, NULL])[ceil(random() * 5)::int] WHERE id = ceil(random() * 180)",
    (
        "UPDATE orders SET status = (ARRAY['completed', 'pending', 'cancelled'])[ceil(random() * 3)::int]"
        " WHERE id = ceil(random() * 600)"
    ),
    (
        "INSERT INTO ticket_holders (firstname, lastname, ticket_id, order_id)"
        " VALUES ('New', 'One', ceil(random() * 180), ceil(random() * 600))"
    ),
    "DELETE FROM ticket_holders WHERE id = (SELECT max(id) FROM ticket_holders)",
    "INSERT INTO feedback (rating, user_id, event_id) VALUES ('4', ceil(random() * 400), ceil(random() * 60))",
    "UPDATE feedback SET rating = '3.0' WHERE id = ceil(random() * 3000)",
    (
        "INSERT INTO discount_codes (code, type, value, used_for, event_id, tickets)"
        " SELECT random()::text, 'percent', 10, 'ticket', ceil(random() * 60), ceil(random() * 180)::text"
    ),
    "UPDATE discount_codes SET is_active = true WHERE id = ceil(random() * 200)",
    "UPDATE events SET name = 'again' WHERE id = ceil(random() * 60)",
)
"""One after the other in the server itself, each in a transaction of its own: no client can be faster."""


@pytest.fixture
def restless(legacy: str) -> Iterator[str]:
    """Return the DSN of a database whose clients write all the time, until the test is over."""
    attempts = "".join(f"BEGIN {write}; EXCEPTION WHEN OTHERS THEN NULL; END; COMMIT; " for write in WRITES)
    loop = f"DO $$ BEGIN WHILE EXISTS (SELECT FROM going_on) LOOP {attempts} END LOOP; END $$"

    def write() -> None:
        with psycopg.connect(legacy, autocommit=True) as connection:
            connection.execute(loop.encode())

    with psycopg.connect(legacy, autocommit=True) as connection:
        seed(connection, 3000)
        connection.execute("CREATE TABLE going_on AS SELECT true")
        threads = [threading.Thread(target=write) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        yield legacy
        connection.execute("DELETE FROM going_on")
        for thread in threads:
            thread.join()


def test_every_migration_ends_while_clients_never_pause(restless: str) -> None:
    applied: list[str] = []
    migrating = threading.Thread(target=lambda: applied.extend(schema.migrate(restless)), daemon=True)
    migrating.start()
    migrating.join(PATIENCE)
    assert applied == [migration.id for migration in schema.load()[1:]]
