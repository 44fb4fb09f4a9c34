"""The steps of the demo: each does one thing to the database of the demo and returns what happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import dict_row

from oeventdb import Client, schema
from oeventdb.demo.conferences import legacy_database
from oeventdb.demo.loading import load
from oeventdb.rows import Order
from oeventdb.schema.journal import JournalEntry, JournalReason, journal_restore, journal_summary

LEGACY = "0001.legacy-tables"

OVERSELL = "INSERT INTO ticket_holders (firstname, lastname, ticket_id)\nVALUES ('One', 'Too Many', {});"


@dataclass(frozen=True)
class Refusal:
    """A statement that a rule refused, as a person at psql would see it."""

    statement: str
    sqlstate: str
    message: str
    detail: str | None
    hint: str | None


@dataclass(frozen=True)
class SoldOut:
    """A ticket that has no admission left, and the journal's entry of a holder who was removed from it."""

    ticket_id: int
    name: str
    event: str
    quantity: int
    removed: int


@dataclass(frozen=True)
class Sale:
    """An order as it was placed and as it was completed."""

    event: str
    ticket: str
    price: Decimal
    code: str
    placed: Order
    completed: Order
    admissions: list[int]
    left: int


@dataclass(frozen=True)
class Quarantined:
    """How many rows or values the migrations put aside for one reason, and one of them in words."""

    reason: JournalReason
    example: str


def prepare(dsn: str) -> dict[str, int]:
    """Make the legacy database; returns the number of rows by table."""
    schema.migrate(dsn, to=LEGACY)
    with schema.connect(dsn) as connection:
        counts = load(connection, legacy_database().tables)
    with schema.connect(dsn, autocommit=True) as connection:
        connection.execute("ANALYZE")
    return counts


def quarantined(connection: psycopg.Connection[Any]) -> list[Quarantined]:
    """What the migrations removed or changed, by reason, with an example of each."""
    found = []
    for reason in journal_summary(connection):
        row = connection.execute(
            "SELECT key, old_row FROM oeventdb_internal.journal WHERE id = %s", [reason.first_id]
        ).fetchone()
        assert row is not None  # noqa: S101 - the summary has just named it
        found.append(Quarantined(reason, _in_words(reason, row[0], row[1])))
    return found


def _in_words(reason: JournalReason, key: str, old_row: dict[str, Any]) -> str:
    """The part of an old row that tells why it is in quarantine."""
    if reason.table == "feedback":
        return f"{key}: rated {old_row.get('rating')!r}"
    if reason.table == "ticket_holders" and reason.reason.startswith("event"):
        return f"{key}: event {old_row['event_id'] or 'missing'}"
    if reason.table == "ticket_holders":
        return f"{key}: {old_row['firstname']} {old_row['lastname']}, ticket {old_row['ticket_id']}"
    if reason.table == "tickets" and "discount_code_id" in old_row:
        return f"code {old_row['discount_code_id']}, ticket {old_row['ticket_id']}"
    if reason.table == "discount_codes" and "tickets" in old_row:
        return f"{key}: {old_row['tickets']!r}"
    return key


def sold_out_ticket(connection: psycopg.Connection[Any]) -> SoldOut:
    """A ticket without a free admission, from which a holder of a live order was removed: of a Python conference if any."""
    row = connection.execute(
        """
        WITH removed AS (
            SELECT (j.old_row ->> 'ticket_id')::bigint AS ticket_id, min(j.id) AS entry
            FROM oeventdb_internal.journal AS j
            LEFT JOIN orders AS o ON o.id = (j.old_row ->> 'order_id')::bigint
            WHERE j.table_name = 'ticket_holders' AND j.reason LIKE '%removed' AND oeventdb_internal.order_is_live(o.status)
            GROUP BY 1
        )
        SELECT t.id, t.name, e.name, t.quantity, r.entry
        FROM removed AS r
        JOIN tickets AS t ON t.id = r.ticket_id
        JOIN events AS e ON e.id = t.event_id
        JOIN ticket_holders AS h ON h.ticket_id = t.id AND h.admission_no IS NOT NULL
        GROUP BY t.id, e.id, r.entry
        HAVING count(*) = t.quantity
        ORDER BY e.name ILIKE '%py%berlin%' DESC, e.name ILIKE 'pycon%' DESC, t.id
        LIMIT 1
        """
    ).fetchone()
    assert row is not None  # noqa: S101 - the sample data has such tickets
    return SoldOut(*row)


def oversell(connection: psycopg.Connection[Any], ticket_id: int) -> Refusal:
    """Try to write one holder more than a ticket admits, around all functions; returns the refusal."""
    statement = OVERSELL.format(ticket_id)
    try:
        with connection.transaction():
            connection.execute(statement)
    except psycopg.Error as refusal:
        diagnosis = refusal.diag
        return Refusal(
            statement,
            refusal.sqlstate or "",
            diagnosis.message_primary or "",
            diagnosis.message_detail,
            diagnosis.message_hint,
        )
    raise AssertionError("a ticket was oversold")


def make_room_and_restore(connection: psycopg.Connection[Any], ticket: SoldOut) -> JournalEntry:
    """Raise the quantity of a ticket by one and put its removed holder back; returns the journal's entry."""
    with connection.transaction():
        connection.execute("UPDATE tickets SET quantity = quantity + 1 WHERE id = %s", [ticket.ticket_id])
        return journal_restore(connection, ticket.removed)


def holder(connection: psycopg.Connection[Any], holder_id: str) -> dict[str, Any]:
    """Name and admission of a holder."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT firstname, lastname, admission_no FROM ticket_holders WHERE id = %s::bigint", [holder_id]
        ).fetchone()
    assert row is not None  # noqa: S101 - it has just been put back
    return row


def sell(connection: psycopg.Connection[Any]) -> Sale:
    """Sell two seats with a discount code, through the client: of a Python conference if there is one.

    The conferences are of all years, so the organizer opens the sale of the ticket first.
    """
    row = connection.execute(
        """
        SELECT t.id, t.event_id, e.name, t.name, t.price::numeric(10, 2)
        FROM tickets AS t
        JOIN events AS e ON e.id = t.event_id
        WHERE e.state = 'published' AND e.deleted_at IS NULL AND NOT t.is_hidden AND t.type = 'paid'
            AND t.discount_code_id IS NULL
            AND t.quantity >= 2 + (SELECT count(*) FROM ticket_holders AS h WHERE h.ticket_id = t.id)
        ORDER BY e.name ILIKE '%py%berlin%' DESC, e.name ILIKE 'pycon%' DESC, t.id
        LIMIT 1
        """
    ).fetchone()
    assert row is not None  # noqa: S101 - the sample data has such tickets
    ticket_id, event_id, event, ticket, price = row
    opens, closes = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=30)
    client = Client(connection)
    with connection.transaction():
        connection.execute(
            "UPDATE tickets SET sales_starts_at = %s, sales_ends_at = %s WHERE id = %s",
            [opens, closes, ticket_id],
        )
        code = client.create_discount_code(
            event_id=event_id, code="DEMO20", type="percent", value=20, ticket_ids=[ticket_id],
            valid_from=opens, valid_till=closes,
        )  # fmt: skip
    lines = [
        {"ticket_id": ticket_id, "quantity": 2, "holders": [{"firstname": "Grace", "lastname": "Hopper"}]}
    ]
    with connection.transaction():
        placed = client.place_order(
            event_id=event_id, lines=lines, email="grace@example.org", discount_code=code.code.lower()
        )
    with connection.transaction():
        completed = client.complete_order(order_identifier=placed.identifier or "", payment_reference="demo")
    admissions = connection.execute(
        "SELECT admission_no FROM ticket_holders WHERE order_id = %s ORDER BY admission_no", [placed.id]
    ).fetchall()
    availability = client.ticket_availability(event_id=event_id)
    left = next(line.available for line in availability if line.ticket_id == ticket_id)
    return Sale(event, ticket, price, code.code, placed, completed, [row[0] for row in admissions], left or 0)
