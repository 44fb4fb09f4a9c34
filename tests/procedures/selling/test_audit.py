"""Each rule that audits what is sold finds what breaks it, and nothing in a legacy database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from oeventdb.schema.audit import rules
from tests.procedures.selling.shop import AUDITED, Shop, line

if TYPE_CHECKING:
    from collections.abc import Iterator

# past every trigger and foreign key, as a careless restore of a backup would be
BREAKS = {
    "admission_held_twice": """
        ALTER TABLE ticket_holders DROP CONSTRAINT ticket_event;
        UPDATE ticket_holders SET admission_no = 1 WHERE order_id = {order}
    """,
    "admission_held_by_dead_order": """
        UPDATE orders SET status = 'expired' WHERE id = {order};
        DELETE FROM ticket_holders WHERE order_id = {order} AND id <> {holder}
    """,
    "order_amount": "UPDATE orders SET amount = amount + 0.01 WHERE id = {order}",
    "admission_unaccounted": """
        DELETE FROM oeventdb_internal.free_admissions AS f WHERE f.ticket_id = {ticket}
    """,
    "discount_code_uses": "UPDATE discount_codes SET used_number = 1 WHERE event_id = {event}",
    "holder_without_admission": "UPDATE ticket_holders SET admission_no = NULL WHERE id = {holder}",
}
KEYS = {
    "admission_held_twice": "SELECT max(id)::text FROM ticket_holders WHERE order_id = {order}",
    "admission_held_by_dead_order": "SELECT '{holder}'",
    "order_amount": "SELECT '{order}'",
    "admission_unaccounted": "SELECT '{ticket}'",
    "discount_code_uses": "SELECT id::text FROM discount_codes WHERE event_id = {event}",
    "holder_without_admission": "SELECT '{holder}'",
}


@pytest.fixture
def careless(shared: str) -> Iterator[psycopg.Connection]:
    """Return a connection that no trigger hinders, whose work is undone."""
    with psycopg.connect(shared) as connection:
        yield connection
        connection.rollback()


def _found(connection: psycopg.Connection, name: str) -> list[str]:
    (rule,) = [rule for rule in rules() if rule.name == name]
    return [str(row[0]) for row in connection.execute(rule.query.encode()).fetchall()]


@pytest.mark.parametrize("name", BREAKS)
def test_the_rule_finds_what_breaks_it(careless: psycopg.Connection, name: str) -> None:
    shop = Shop(careless)
    ticket = shop.ticket(price=9.99)
    code = shop.discount(ticket, value=15, tickets_number=5)
    order = shop.place(line(ticket, 2), discount_code=code)
    assert _found(careless, name) == []
    careless.execute("SET LOCAL session_replication_role = replica")
    names = {"order": order.id, "ticket": ticket, "event": shop.event, "holder": shop.holders(order)[0]}
    careless.execute(BREAKS[name].format(**names).encode())
    assert _found(careless, name) == [shop.value(KEYS[name].format(**names))]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("admission_unaccounted", "UPDATE ticket_holders SET admission_no = 77 WHERE id = {holder}"),
        (
            "admission_unaccounted",
            """
            UPDATE oeventdb_internal.free_admissions AS f SET admission_no = h.admission_no
            FROM ticket_holders AS h WHERE h.id = {holder} AND f.ticket_id = h.ticket_id AND f.admission_no =
                (SELECT max(g.admission_no) FROM oeventdb_internal.free_admissions AS g WHERE g.ticket_id = {ticket})
            """,
        ),
        ("order_amount", "DELETE FROM orders_tickets WHERE order_id = {order}"),
        ("order_amount", "UPDATE orders_tickets SET price = NULL WHERE order_id = {order}"),
        ("holder_order_missing", "UPDATE ticket_holders SET order_id = 999999999 WHERE id = {holder}"),
    ],
)
def test_the_rule_finds_other_faults_as_well(careless: psycopg.Connection, name: str, fault: str) -> None:
    shop = Shop(careless)
    ticket = shop.ticket()
    order = shop.place(line(ticket))
    assert _found(careless, name) == []
    careless.execute("SET LOCAL session_replication_role = replica")
    (holder,) = shop.holders(order)
    careless.execute(fault.format(order=order.id, ticket=ticket, holder=holder).encode())
    found = {"admission_unaccounted": ticket, "order_amount": order.id, "holder_order_missing": holder}
    assert _found(careless, name) == [str(found[name])]


@pytest.mark.parametrize("name", AUDITED)
def test_the_rule_reads_a_legacy_database(legacy: str, name: str) -> None:
    with psycopg.connect(legacy) as connection:
        connection.execute(
            "INSERT INTO events (id, name, starts_at, ends_at, timezone) VALUES (1, 'e', now(), now(), 'UTC');"
            " INSERT INTO tickets (id, name, type, quantity, sales_starts_at, sales_ends_at, event_id)"
            " VALUES (1, 't', 'paid', 5, now(), now(), 1);"
            " INSERT INTO orders (id, event_id, status, amount) VALUES (1, 1, 'expired', 7);"
            " INSERT INTO orders_tickets VALUES (1, 1, 1);"
            " INSERT INTO ticket_holders (firstname, lastname, ticket_id, event_id, order_id) VALUES ('a', 'b', 1, 1, 1)"
        )
        assert _found(connection, name) == []


def test_the_free_admissions_of_a_ticket_are_not_read_again_for_each(careless: psycopg.Connection) -> None:
    """Of a few large tickets among many small ones the planner expects that each is small."""
    shop = Shop(careless)
    careless.execute(
        "INSERT INTO tickets (name, type, quantity, sales_starts_at, sales_ends_at, event_id) "
        "SELECT i, 'free', CASE WHEN i <= 15 THEN 1000 ELSE 3 END, now(), now(), %s FROM generate_series(1, 1215) AS i",
        [shop.event],
    )
    careless.execute("ANALYZE tickets, ticket_holders")
    careless.execute("ANALYZE oeventdb_internal.admissions, oeventdb_internal.free_admissions")
    (rule,) = [rule for rule in rules() if rule.name == "admission_unaccounted"]
    query = "EXPLAIN (ANALYZE, FORMAT JSON)" + rule.query.split("$query$")[1]
    assert _discarded(shop.value(query)[0]["Plan"]) < 100_000


def _discarded(plan: dict[str, Any]) -> int:
    """How many rows a plan reads for nothing."""
    own = plan.get("Rows Removed by Filter", 0) * plan["Actual Loops"]
    return int(own) + sum(map(_discarded, plan.get("Plans", [])))
