"""A shop for the tests: an event whose tickets are sold, and what its books say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oeventdb import Client, translated
from oeventdb.schema.audit import rules
from tests import samples
from tests.procedures import invariants

if TYPE_CHECKING:
    from collections.abc import Container

    import psycopg

    from oeventdb.rows import Order

EMAIL = "ada@example.org"

AUDITED = (
    "access_code_uses",
    "admission_held_by_dead_order",
    "admission_held_twice",
    "admission_unaccounted",
    "discount_code_uses",
    "holder_order_of_other_event",
    "holder_without_admission",
    "order_amount",
    "order_of_other_event",
    "ticket_oversold",
)
"""The rules of db/audit that hold whatever was sold, given back and written past the functions."""

_HISTORY = """
SELECT o.id, o.status, h.to_status
FROM public.orders AS o
LEFT JOIN LATERAL (
    SELECT s.to_status FROM oeventdb_internal.order_history AS s
    WHERE s.order_id = o.id ORDER BY s.changed_at DESC LIMIT 1
) AS h ON true
WHERE o.status IS DISTINCT FROM h.to_status
"""


def line(ticket: int, quantity: int = 1, **more: Any) -> dict[str, Any]:
    """A line of an order."""
    return {"ticket_id": ticket, "quantity": quantity, **more}


def broken(connection: psycopg.Connection[Any]) -> list[Any]:
    """Everything in the database that breaks an invariant of selling; empty is as it must be."""
    found: list[Any] = [*invariants.broken(connection), *audited(connection, AUDITED)]
    found += [("history", *row) for row in connection.execute(_HISTORY).fetchall()]
    return found


def audited(connection: psycopg.Connection[Any], names: Container[str]) -> list[Any]:
    """Every key that these rules of db/audit find."""
    return [
        (rule.name, *row)
        for rule in rules()
        if rule.name in names
        for row in connection.execute(rule.query.encode()).fetchall()
    ]


class Shop:
    """An event of its own, sold over one connection."""

    def __init__(self, connection: psycopg.Connection[Any], **event: Any) -> None:
        self.connection = connection
        self.client = Client(connection)
        self.event = samples.event(connection, **event)

    def ticket(self, **columns: Any) -> int:
        """A ticket of the event: paid, ten of it, at 20."""
        return samples.ticket(self.connection, self.event, **columns)

    def discount(self, *tickets: int, **columns: Any) -> str:
        """What a new discount code over the tickets reads."""
        code = samples.discount_code(self.connection, self.event, **columns)
        self.connection.execute(
            "UPDATE tickets SET discount_code_id = %s WHERE id = ANY (%s)", [code, list(tickets)]
        )
        return str(self.value("SELECT code FROM discount_codes WHERE id = %s", code))

    def access(self, *tickets: int, **columns: Any) -> str:
        """What a new access code over the tickets reads."""
        code = samples.access_code(self.connection, self.event, list(tickets), **columns)
        return str(self.value("SELECT code FROM access_codes WHERE id = %s", code))

    def place(self, *lines: dict[str, Any], **more: Any) -> Order:
        """Place an order."""
        return self.client.place_order(
            **{"event_id": self.event, "lines": list(lines), "email": EMAIL} | more  # type: ignore[arg-type]
        )

    def expired(self, *lines: dict[str, Any], **more: Any) -> Order:
        """Place an order and let it expire."""
        order = self.place(*lines, **more)
        self.overdue(order)
        with translated():
            self.connection.execute("UPDATE orders SET status = 'expired' WHERE id = %s", [order.id])
        return order

    def overdue(self, order: Order) -> None:
        """Put the end of an order's hold into the past."""
        self.connection.execute(
            "UPDATE orders SET expires_at = now() - interval '1 second' WHERE id = %s", [order.id]
        )

    def value(self, query: str, *parameters: Any) -> Any:
        """The first column of the first row."""
        row = self.connection.execute(query.encode(), parameters).fetchone()
        assert row is not None
        return row[0]

    def status(self, order: Order) -> str:
        """The state of an order now."""
        return str(self.value("SELECT status FROM orders WHERE id = %s", order.id))

    def held(self, ticket: int) -> int:
        """How many admissions of the ticket are held."""
        held = "SELECT count(*) FROM ticket_holders WHERE ticket_id = %s AND admission_no IS NOT NULL"
        return int(self.value(held, ticket))

    def uses(self, code: str, table: str = "discount_codes") -> int:
        """How many uses of a code are counted."""
        return int(self.value(f"SELECT used_number FROM {table} WHERE code = %s", code))

    def holders(self, order: Order) -> list[int]:
        """The ids of the order's holders."""
        rows = self.connection.execute(
            "SELECT id FROM ticket_holders WHERE order_id = %s ORDER BY id", [order.id]
        )
        return [int(row[0]) for row in rows]

    def history(self, order: Order) -> list[tuple[str | None, str | None]]:
        """The states of an order, from which to which."""
        rows = self.connection.execute(
            "SELECT from_status, to_status FROM oeventdb_internal.order_history WHERE order_id = %s"
            " ORDER BY changed_at",
            [order.id],
        )
        return [(row[0], row[1]) for row in rows]
