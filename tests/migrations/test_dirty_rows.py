"""What the migrations make of old rows that break a rule: a handful of rows for each sentence of the rules."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from oeventdb import Client, DiscountCodeDefinition, Error, SoldOut, schema, translated
from tests.procedures import invariants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Databases

LONG = "1e" + "9" * 5000
STATUSES = [
    "cancelled",
    "pending",
    "completed",
    None,
    "placed",
    "confirmed",
    "expired",
    "deleted",
    "initialized",
]
"""The statuses of the orders 1 to 9, and of the holders of each ticket."""

ROWS = """
INSERT INTO users (id, _email, _password) VALUES (1, 'a@example.org', 'x'), (2, 'b@example.org', 'x');
INSERT INTO events (id, name, starts_at, ends_at, timezone) VALUES
    (1, 'one', now(), now(), 'UTC'), (2, 'two', now(), now(), 'UTC');
INSERT INTO tickets (id, name, type, quantity, price, sales_starts_at, sales_ends_at, event_id)
SELECT id, 'ticket ' || id, 'paid', quantity, 20, now(), now() + interval '1 day', event_id
FROM (VALUES
    (1, 5, 1), (2, NULL, 1), (3, 0, 1), (4, 2000, 1), (5, 8, 1), (7, 10, 1), (8, 10, 1), (9, 10, 2), (10, -5, 1), (11, 3, NULL)
) AS t (id, quantity, event_id);
INSERT INTO feedback (id, rating, user_id, event_id) VALUES
    (1, '1', 1, 1), (2, ' 4.75 ', 1, 1), (3, 'great!', 2, 1), (4, '5', NULL, 1), (5, '5', NULL, 1), (6, '0x4', 2, 2),
    (7, '1e-400000', 1, 2);
INSERT INTO discount_codes (id, code, type, value, used_for, event_id, tickets, min_quantity, max_quantity) VALUES
    (1, 'FIRST', 'amount', 5, 'ticket', 1, E' 7 ,event,,999,9,\\t8\\n', 1, 100),
    (2, 'SECOND', 'percent', 150, 'ticket', 1, '8,0007,5,10', 1, 100),
    (3, 'first', 'percent', 'NaN', 'ticket', 1, NULL, 5, 2),
    (4, 'WHOLE', 'percent', 10, 'event', 1, '2,3', 1, 100),
    (5, 'First', 'percent', 10, 'ticket', 2, '', 1, 100),
    (6, 'third', 'percent', 10, 'ticket', 1, '99999999999999999999,2x,-1,+1,1.0', 1, 100);
UPDATE events SET discount_code_id = 4;
"""


@pytest.fixture(scope="module")
def database(databases: Databases, legacy_template: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to the database after the migrations."""
    dsn = databases.create(legacy_template)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(ROWS.encode())
        connection.execute("INSERT INTO feedback (id, rating, event_id) VALUES (8, %s, 2)", [LONG])
        for number, status in enumerate(STATUSES, start=1):
            connection.execute(
                "INSERT INTO orders (id, status, event_id) VALUES (%s, %s, 1)", [number, status]
            )
            for ticket in (1, 2, 3):
                connection.execute(
                    "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, order_id, event_id, email)"
                    " VALUES (%s, 'A', 'B', %s, %s, 1, '😀')",
                    [10 * ticket + number, ticket, number],
                )
        connection.execute(
            "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id) VALUES"
            " (51, 'A', 'B', 5, NULL), (52, 'A', 'B', 5, 2), (53, 'A', 'B', NULL, 1), (54, 'A', 'B', 11, 1)"
        )
    schema.migrate(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection
    databases.drop(dsn)


@pytest.fixture
def migrated_rows(database: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The same connection, in a transaction that is undone."""
    with database.transaction(force_rollback=True):
        yield database


def numbers(connection: psycopg.Connection, ticket: int) -> dict[int, int | None]:
    """The numbers of a ticket's holders, by the number of their order."""
    rows = connection.execute(
        "SELECT id - 10 * ticket_id, admission_no FROM ticket_holders WHERE ticket_id = %s", [ticket]
    ).fetchall()
    return dict(rows)


def journal(connection: psycopg.Connection, table: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """What is journaled of a table: reason and old row by key."""
    rows = connection.execute(
        "SELECT key, reason, old_row FROM oeventdb_internal.journal WHERE table_name = %s", [table]
    ).fetchall()
    return {key: (reason, old) for key, reason, old in rows}


def test_live_orders_first_then_by_id_and_the_rest_goes_to_the_journal(
    migrated_rows: psycopg.Connection,
) -> None:
    assert numbers(migrated_rows, 1) == {3: 1, 5: 2, 6: 3, 2: 4, 4: 5}
    gone = {
        key: entry for key, entry in journal(migrated_rows, "ticket_holders").items() if key.startswith("1")
    }
    assert sorted(gone) == ["11", "17", "18", "19"]
    assert {reason for reason, _ in gone.values()} == {"holder beyond the quantity, removed"}
    assert (gone["19"][1]["email"], gone["19"][1]["order_id"]) == ("😀", 9)


def test_a_ticket_without_limit_keeps_everybody_and_numbers_the_living(
    migrated_rows: psycopg.Connection,
) -> None:
    expected = {3: 1, 5: 2, 6: 3, 2: 4, 4: 5, 9: 6}
    assert numbers(migrated_rows, 2) == {**expected, 1: None, 7: None, 8: None}


def test_a_ticket_of_quantity_0_keeps_nobody_and_loses_nobody(migrated_rows: psycopg.Connection) -> None:
    assert numbers(migrated_rows, 3) == {}
    assert len([key for key in journal(migrated_rows, "ticket_holders") if key.startswith("3")]) == len(
        STATUSES
    )


def test_events_of_holders_are_filled_in_or_corrected_and_journaled(
    migrated_rows: psycopg.Connection,
) -> None:
    rows = migrated_rows.execute(
        "SELECT id, event_id FROM ticket_holders WHERE id BETWEEN 51 AND 54 ORDER BY id"
    ).fetchall()
    assert rows == [(51, 1), (52, 1), (53, 1), (54, 1)]
    entries = journal(migrated_rows, "ticket_holders")
    assert entries["51"][0] == "event missing, filled in from the ticket"
    assert entries["51"][1] == {"id": 51, "ticket_id": 5, "event_id": None}
    assert entries["52"][0] == "event contradicted the ticket, corrected"
    assert entries["52"][1]["event_id"] == 2
    assert not {"53", "54"} & entries.keys()


def test_what_was_migrated_can_be_sold_on(migrated_rows: psycopg.Connection) -> None:
    wrong = [row for row in invariants.broken(migrated_rows) if 11 not in row and "-5" not in str(row)]
    assert wrong == []
    client = Client(migrated_rows)
    with pytest.raises(SoldOut), migrated_rows.transaction():
        client.add_ticket_holder(ticket_id=1, firstname="A", lastname="B")
    assert client.add_ticket_holder(ticket_id=5, firstname="A", lastname="B").admission_no in range(3, 9)
    migrated_rows.execute("UPDATE orders SET status = 'cancelled' WHERE id = 3")
    assert client.add_ticket_holder(ticket_id=1, firstname="A", lastname="B").admission_no == 1


def test_of_feedback_by_one_user_the_newest_counts(migrated_rows: psycopg.Connection) -> None:
    rows = migrated_rows.execute("SELECT id, rating, is_superseded FROM feedback ORDER BY id").fetchall()
    assert rows == [
        (1, Decimal(1), True),
        (2, Decimal(5), False),
        (3, Decimal(0), False),
        (4, Decimal(5), False),
        (5, Decimal(5), False),
        (6, Decimal(0), False),
        (7, Decimal(0), False),
        (8, Decimal(0), False),
    ]
    client = Client(migrated_rows)
    rating = client.event_rating(event_id=1)
    assert (rating.average, rating.count) == (Decimal("3.75"), 4)
    again = client.submit_feedback(event_id=1, user_id=1, rating="2", comment=None)
    assert again.id == 2
    with pytest.raises(Error), translated(), migrated_rows.transaction():
        migrated_rows.execute("UPDATE feedback SET is_superseded = false WHERE id = 1")


def test_texts_that_are_no_half_stars_are_journaled_letter_for_letter(
    migrated_rows: psycopg.Connection,
) -> None:
    texts = {key: old["rating"] for key, (_, old) in journal(migrated_rows, "feedback").items()}
    assert texts == {"2": " 4.75 ", "3": "great!", "6": "0x4", "7": "1e-400000", "8": LONG}


def test_usable_ids_become_links_and_the_rest_is_journaled(migrated_rows: psycopg.Connection) -> None:
    links = migrated_rows.execute(
        "SELECT id, discount_code_id FROM tickets WHERE discount_code_id IS NOT NULL"
    ).fetchall()
    assert dict(links) == {7: 1, 8: 1, 5: 2}
    lost = {key: reason for key, (reason, _) in journal(migrated_rows, "tickets").items()}
    assert lost["2:8"].startswith("claim lost")
    assert lost["2:7"].startswith("claim lost")
    assert lost["2:10"].startswith("claim lost")
    assert lost["1:9"] == "ticket of another event"
    assert {key for key, reason in lost.items() if reason == "no id of a ticket"} >= {"1:999", "6:2x", "6:-1"}
    texts = journal(migrated_rows, "discount_codes")
    assert texts["1"][1]["tickets"] == " 7 ,event,,999,9,\t8\n"
    assert texts["5"][1]["tickets"] == ""
    assert "3" not in texts


def test_a_claim_on_a_ticket_of_negative_quantity_can_be_restored_once_that_is_corrected(
    migrated_rows: psycopg.Connection,
) -> None:
    row = migrated_rows.execute("SELECT id FROM oeventdb_internal.journal WHERE key = '2:10'").fetchone()
    assert row is not None
    with pytest.raises(psycopg.errors.CheckViolation), migrated_rows.transaction():
        migrated_rows.execute("SELECT * FROM oeventdb_internal.restore_journaled(%s)", row)
    migrated_rows.execute("UPDATE tickets SET quantity = 5 WHERE id = 10")
    migrated_rows.execute("SELECT * FROM oeventdb_internal.restore_journaled(%s)", row)
    found = migrated_rows.execute("SELECT discount_code_id FROM tickets WHERE id = 10").fetchone()
    assert found == (2,)


def test_codes_that_break_a_new_rule_stay_and_are_held_to_it_when_their_definition_is_written(
    migrated_rows: psycopg.Connection,
) -> None:
    legacy = "SELECT array_agg(id ORDER BY id) FROM discount_codes WHERE is_legacy"
    for code in (2, 3):
        migrated_rows.execute(
            "UPDATE discount_codes SET is_active = true, is_legacy = true WHERE id = %s", [code]
        )
        with pytest.raises(DiscountCodeDefinition), translated(), migrated_rows.transaction():
            migrated_rows.execute("UPDATE discount_codes SET min_quantity = 2 WHERE id = %s", [code])
    assert migrated_rows.execute(legacy).fetchone() == ([2, 3],)
    migrated_rows.execute("UPDATE discount_codes SET value = 50 WHERE id = 2")
    assert migrated_rows.execute(legacy).fetchone() == ([3],)
    migrated_rows.execute("UPDATE discount_codes SET is_legacy = true WHERE id = 2")
    with pytest.raises(DiscountCodeDefinition), translated(), migrated_rows.transaction():
        migrated_rows.execute("UPDATE discount_codes SET value = 150 WHERE id = 2")
    not_valid = migrated_rows.execute(
        "SELECT count(*) FROM pg_constraint WHERE conrelid = 'discount_codes'::regclass AND NOT convalidated"
    ).fetchone()
    assert not_valid is not None
    assert not_valid[0] >= 7


def test_of_codes_that_read_the_same_the_oldest_is_the_code(migrated_rows: psycopg.Connection) -> None:
    flagged = migrated_rows.execute("SELECT id FROM discount_codes WHERE is_duplicate").fetchall()
    assert flagged == [(3,)]
    repair = "UPDATE discount_codes SET value = 5, min_quantity = 1, code = %s WHERE id = 3"
    migrated_rows.execute(repair, ["FIRST"])
    assert migrated_rows.execute("SELECT is_duplicate FROM discount_codes WHERE id = 3").fetchone() == (True,)
    with pytest.raises(DiscountCodeDefinition), translated(), migrated_rows.transaction():
        migrated_rows.execute(repair, ["Second"])
    migrated_rows.execute(repair, ["fourth"])
    with pytest.raises(DiscountCodeDefinition), translated(), migrated_rows.transaction():
        migrated_rows.execute(repair, ["FIRST"])


def test_events_outlive_their_code(migrated_rows: psycopg.Connection) -> None:
    migrated_rows.execute("DELETE FROM discount_codes WHERE id = 4")
    assert migrated_rows.execute("SELECT id, discount_code_id FROM events ORDER BY id").fetchall() == [
        (1, None),
        (2, None),
    ]
