"""Rows that refer to what is gone, as a restore without foreign keys may have left them."""

from __future__ import annotations

import psycopg
import pytest

from oeventdb import schema
from tests.legacy import digest
from tests.migrations.surroundings import query, run


def test_rows_that_refer_to_what_is_gone_come_through_and_are_listed(dirty: str) -> None:
    run(
        dirty,
        """
        SET session_replication_role = replica;
        INSERT INTO ticket_holders (id, firstname, lastname, ticket_id) VALUES (9, 'A', 'B', 77);
        INSERT INTO orders (id, identifier, status) VALUES (1, 'o', 'completed');
        INSERT INTO orders_tickets (order_id, ticket_id, quantity) VALUES (1, 77, 1);
        UPDATE events SET discount_code_id = 77
        """,
    )
    tables = ["ticket_holders", "orders_tickets", "events"]
    with psycopg.connect(dirty) as connection:
        before = digest.rows(connection, tables)
    schema.migrate(dirty)
    with schema.connect(dirty) as connection:
        missing = {
            r.rule: r.sample for r in schema.audit(connection) if r.rule.endswith("_missing") and r.violations
        }
    assert missing == {
        "event_discount_code_missing": ["1"],
        "event_identifier_missing": ["1"],
        "holder_ticket_missing": ["9"],
        "order_line_ticket_missing": ["1:77"],
    }
    for statement in (
        "INSERT INTO orders_tickets (order_id, ticket_id, quantity) VALUES (1, 78, 1)",
        "UPDATE events SET discount_code_id = 78",
    ):
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            run(dirty, statement)
    with schema.connect(dirty) as connection:
        assert schema.check(connection) == []
    schema.rollback(dirty, to="0001")
    with psycopg.connect(dirty) as connection:
        assert digest.rows(connection, tables) == before


def test_rows_whose_event_is_gone_are_in_nobody_s_way(dirty: str) -> None:
    run(
        dirty,
        """
        SET session_replication_role = replica;
        INSERT INTO tickets (id, name, type, quantity, sales_starts_at, sales_ends_at, event_id)
        VALUES (2, 'of none', 'free', 5, now(), now(), 77), (3, 'of one', 'free', 5, now(), now(), 1);
        INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id)
        VALUES (11, 'A', 'B', 2, NULL), (12, 'A', 'B', 2, 77), (13, 'A', 'B', 3, 78);
        UPDATE feedback SET event_id = 77
        """,
    )
    tables = ["ticket_holders", "feedback", "tickets"]
    with psycopg.connect(dirty) as connection:
        before = digest.rows(connection, tables)
    schema.migrate(dirty)
    assert query(
        dirty, "SELECT id, event_id, admission_no FROM ticket_holders WHERE id > 10 ORDER BY id"
    ) == [
        (11, None, None),
        (12, 77, 2),
        (13, 1, 1),
    ]
    with schema.connect(dirty) as connection:
        broken = {
            r.rule: r.sample for r in schema.audit(connection) if r.table in ("ticket_holders", "feedback")
        }
    assert {rule: keys for rule, keys in broken.items() if keys} == {
        "holder_event_missing": ["11"],
        "holder_without_admission": ["11"],
    }
    schema.rollback(dirty, to="0001")
    assert query(dirty, "SELECT key, old_row -> 'event_id' FROM oeventdb_internal.journal") == [("13", 78)]
    run(
        dirty, "SET session_replication_role = replica; UPDATE ticket_holders SET event_id = 78 WHERE id = 13"
    )
    with psycopg.connect(dirty) as connection:
        assert digest.rows(connection, tables) == before


def test_removed_holders_whom_a_rollback_cannot_put_back_are_warned_of(
    dirty: str, caplog: pytest.LogCaptureFixture
) -> None:
    run(
        dirty,
        "SET session_replication_role = replica; UPDATE ticket_holders SET order_id = 77 WHERE id IN (3, 4)",
    )
    schema.migrate(dirty)
    schema.rollback(dirty, to="0001")
    kept = "SELECT key, id FROM oeventdb_internal.journal ORDER BY id"
    (first, entry), (second, _) = query(dirty, kept)
    assert {first, second} == {"3", "4"}
    assert f"2 of the removed holders stay in quarantine, e.g. entry {entry}: " in caplog.text
