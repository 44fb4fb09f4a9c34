"""Rows whose ids are 0 or negative, as somebody may have entered them by hand, are migrated like all others."""

from __future__ import annotations

import psycopg
import pytest

from oeventdb import Client, SoldOut, schema
from tests.legacy import digest
from tests.migrations.surroundings import query, run
from tests.procedures import invariants

TABLES = ["events", "tickets", "ticket_holders", "orders", "discount_codes", "feedback"]
ROWS = """
INSERT INTO users (id, _email, _password) VALUES (0, 'a@example.org', 'x');
INSERT INTO events (id, name, starts_at, ends_at, timezone) VALUES
    (0, 'zero', now(), now(), 'UTC'), (-1, 'below', now(), now(), 'UTC');
INSERT INTO tickets (id, name, type, quantity, price, sales_starts_at, sales_ends_at, event_id) VALUES
    (-1, 'below', 'paid', 5, 20, now(), now(), 0), (0, 'zero', 'paid', 2, 20, now(), now(), 0);
INSERT INTO discount_codes (id, code, type, value, used_for, event_id, tickets, tickets_number) VALUES
    (-1, 'BELOW', 'percent', 10, 'ticket', 0, ' 0 ', 9);
INSERT INTO orders (id, identifier, event_id, status, discount_code_id) VALUES (-1, 'below', 0, 'completed', -1);
INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id, order_id) VALUES
    (-3, 'A', 'B', 0, 0, NULL), (-2, 'A', 'B', 0, NULL, -1), (-1, 'A', 'B', 0, 0, NULL), (0, 'A', 'B', -1, -1, NULL);
INSERT INTO feedback (id, rating, user_id, event_id) VALUES (-1, 'great!', 0, 0), (0, '4.7', 0, 0);
"""


@pytest.fixture
def below(legacy: str) -> str:
    """The DSN of a legacy database of such rows."""
    run(legacy, ROWS)
    return legacy


def test_they_are_numbered_linked_counted_and_restored(below: str) -> None:
    with psycopg.connect(below) as connection:
        before = digest.rows(connection, TABLES)
    schema.migrate(below)
    holders = "SELECT id, event_id, admission_no FROM ticket_holders ORDER BY id"
    assert query(below, holders) == [(-3, 0, 2), (-2, 0, 1), (0, 0, 1)]
    assert query(below, "SELECT id, discount_code_id FROM tickets ORDER BY id") == [(-1, None), (0, -1)]
    assert query(below, "SELECT used_number FROM discount_codes") == [(1,)]
    with psycopg.connect(below, autocommit=True) as connection:
        assert invariants.broken(connection) == []
        with pytest.raises(SoldOut):
            Client(connection).add_ticket_holder(ticket_id=0, firstname="A", lastname="B")
    schema.rollback(below, to="0001")
    with psycopg.connect(below) as connection:
        assert digest.rows(connection, TABLES) == before


def test_the_least_of_integer_ids_is_none_too_many(below: str) -> None:
    for table in ("tickets", "orders", "discount_codes", "ticket_holders"):
        run(below, f"ALTER TABLE {table} ALTER id TYPE integer")
    run(below, "ALTER TABLE ticket_holders ALTER ticket_id TYPE integer, ALTER order_id TYPE integer")
    least = -(2**31)
    run(
        below,
        "DELETE FROM orders",
        f"UPDATE discount_codes SET id = {least}, tickets = '0' WHERE id = -1",
        f"INSERT INTO tickets (id, name, type, quantity, sales_starts_at, sales_ends_at, event_id) VALUES ({least}, 'least', 'free', 1, now(), now(), 0)",
        f"INSERT INTO orders (id, event_id, discount_code_id) VALUES ({least}, 0, {least})",
        f"INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, order_id) VALUES ({least}, 'A', 'B', {least}, {least})",
        f"UPDATE ticket_holders SET id = {least} + 1, ticket_id = {least} WHERE id = -3",
    )
    schema.migrate(below)
    assert query(below, f"SELECT id, admission_no FROM ticket_holders WHERE ticket_id = {least}") == [
        (least, 1)
    ]
    assert query(below, "SELECT discount_code_id FROM tickets WHERE id = 0") == [(least,)]


def test_a_text_that_is_written_while_the_last_migration_is_undone_becomes_links(below: str) -> None:
    schema.migrate(below)
    schema.rollback(below, to="0009")
    run(
        below,
        "INSERT INTO tickets (id, name, type, sales_starts_at, sales_ends_at, event_id) VALUES (7, 'seven', 'free', now(), now(), 0)",
        "UPDATE discount_codes SET tickets = '0,7' WHERE id = -1",
    )
    schema.migrate(below)
    assert query(below, "SELECT id FROM tickets WHERE discount_code_id = -1 ORDER BY id") == [(0,), (7,)]
