"""What one way down has kept in the journal is neither lost nor taken for something newer on the next way up and down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oeventdb import schema
from oeventdb.errors import Error
from tests.migrations.surroundings import query, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Databases

ROWS = """
INSERT INTO users (id, _email, _password) VALUES (1, 'a@example.org', 'x');
INSERT INTO events (id, name, starts_at, ends_at, timezone, state) VALUES (1, 'one', now(), now(), 'UTC', 'published');
INSERT INTO tickets (id, name, type, quantity, price, is_hidden, sales_starts_at, sales_ends_at, event_id)
SELECT n, 'ticket ' || n, 'paid', 5, 20, false, now() - interval '1 day', now() + interval '1 day', 1 FROM generate_series(1, 6) AS n;
INSERT INTO discount_codes (id, code, type, value, used_for, event_id, tickets) VALUES
    (1, 'FIRST', 'percent', 5, 'ticket', 1, '1'), (2, 'SECOND', 'percent', 5, 'ticket', 1, '3');
INSERT INTO access_codes (id, code, event_id) VALUES (1, 'KEY', 1);
INSERT INTO feedback (id, rating, user_id, event_id) VALUES (1, 'great!', 1, 1);
SELECT setval('feedback_id_seq', 1);
"""


@pytest.fixture(scope="module")
def paused_template(databases: Databases, legacy_template: str) -> str:
    def prepare(dsn: str) -> None:
        run(dsn, ROWS)
        schema.migrate(dsn, to="0009")

    return databases.template(legacy_template, prepare)


@pytest.fixture
def paused(new_database: Callable[[str], str], paused_template: str) -> str:
    """The DSN of a database whose application still writes the texts of ticket ids."""
    return new_database(paused_template)


def restore(dsn: str, reason: str) -> None:
    for (entry,) in query(
        dsn, "SELECT id FROM oeventdb_internal.journal WHERE reason = %s ORDER BY id", [reason]
    ):
        with schema.connect(dsn) as connection:
            schema.journal_restore(connection, entry)


KEPT = {
    "tickets": (
        "deleted_at = 'epoch'",
        "price = 30, name = 'new'",
        "ticket deleted since the migration",
        "price = 30 AND name = 'new' AND deleted_at = 'epoch'",
    ),
    "discount_codes": (
        "deleted_at = 'epoch'",
        "tickets = '1,4', value = 7",
        "discount code deleted since the migration",
        "tickets = '1,4' AND value = 7 AND deleted_at = 'epoch'",
    ),
    "access_codes": (
        "deleted_at = 'epoch'",
        "code = 'OTHER'",
        "access code deleted since the migration",
        "code = 'OTHER' AND deleted_at = 'epoch'",
    ),
    "feedback": (
        "session_id = 77, rating = 3",
        "rating = '5'",
        "session named since the migration",
        "rating = 5 AND session_id = 77",
    ),
}
"""By table: what is changed before the rollback and after it, why the first is kept, and what a row has in the end."""


def test_what_a_rollback_kept_comes_back_and_nothing_else_of_the_row(paused: str) -> None:
    run(paused, *(f"UPDATE {table} SET {change} WHERE id = 1" for table, (change, *_) in KEPT.items()))
    schema.rollback(paused, to="0002")
    run(paused, *(f"UPDATE {table} SET {since} WHERE id = 1" for table, (_, since, *_) in KEPT.items()))
    schema.migrate(paused, to="0009")
    for table, (_, _, reason, outcome) in KEPT.items():
        restore(paused, reason)
        assert query(paused, f"SELECT {outcome} FROM {table} WHERE id = 1") == [(True,)], table


def test_what_a_rollback_kept_of_an_order_leaves_its_state_alone(paused: str) -> None:
    run(
        paused, """SELECT oeventdb.place_order(1, '[{"ticket_id": 2, "quantity": 1}]', 'buyer@example.org')"""
    )
    schema.rollback(paused, to="0008")
    run(paused, "UPDATE orders SET status = 'completed', amount = 0, address = 'a street'")
    schema.migrate(paused, to="0009")
    restore(paused, "order placed since the migration")
    order = "SELECT status, amount, address, email, currency, expires_at IS NOT NULL FROM orders"
    assert query(paused, order) == [("completed", 0, "a street", "buyer@example.org", "USD", True)]


def test_a_row_that_is_deleted_again_stays_as_it_is(paused: str) -> None:
    run(paused, "UPDATE access_codes SET deleted_at = 'epoch'")
    schema.rollback(paused, to="0005")
    schema.migrate(paused, to="0009")
    run(paused, "UPDATE access_codes SET deleted_at = 'infinity'")
    with pytest.raises(Error, match="nothing to put back"):
        restore(paused, "access code deleted since the migration")


def test_a_time_comes_back_in_whatever_time_zone(paused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(paused, "UPDATE access_codes SET deleted_at = 'epoch'")
    schema.rollback(paused, to="0005")
    schema.migrate(paused, to="0009")
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    restore(paused, "access code deleted since the migration")
    assert query(paused, "SELECT deleted_at = 'epoch' FROM access_codes") == [(True,)]


LINKED_SINCE = "SELECT oeventdb.replace_discount_code_tickets(2, '{3,5}')"
LOST = "SELECT key, restored_at FROM oeventdb_internal.journal WHERE reason = 'claim lost to a lower code'"


def test_a_link_that_was_made_and_removed_on_different_ways_up_does_not_come_back(paused: str) -> None:
    run(paused, LINKED_SINCE)
    schema.rollback(paused, to="0005")
    run(paused, "UPDATE discount_codes SET tickets = '3,5' WHERE id = 2")
    schema.migrate(paused)
    run(paused, "SELECT oeventdb.replace_discount_code_tickets(2, '{3}')")
    schema.rollback(paused, to="0009")
    assert query(paused, "SELECT tickets FROM discount_codes WHERE id = 2") == [("3",)]


@pytest.mark.parametrize("to", ["0005", "0009"])
def test_a_claim_is_lost_though_it_was_a_link_once(paused: str, to: str) -> None:
    run(paused, LINKED_SINCE)
    schema.rollback(paused, to="0005")
    if to == "0009":
        schema.migrate(paused, to=to)
    run(
        paused,
        "UPDATE discount_codes SET tickets = '3,5' WHERE id = 2",
        "UPDATE discount_codes SET tickets = '1,5' WHERE id = 1",
    )
    schema.migrate(paused)
    assert query(paused, LOST) == [("2:5", None)]


def test_a_claim_that_was_had_is_lost_again(paused: str) -> None:
    schema.rollback(paused, to="0005")
    run(paused, "UPDATE discount_codes SET tickets = '1,3'")
    schema.migrate(paused, to="0009")
    run(paused, "SELECT oeventdb.replace_discount_code_tickets(1, '{}')")
    restore(paused, "claim lost to a lower code")
    schema.rollback(paused, to="0005")
    assert query(paused, "SELECT tickets FROM discount_codes ORDER BY id") == [(None,), ("1,3",)]
    run(paused, "UPDATE discount_codes SET tickets = '1,3'")
    schema.migrate(paused, to="0009")
    assert sorted(query(paused, LOST)) == [("2:1", None), ("2:3", None)]


def test_a_code_that_was_deleted_is_still_listed_after_another_way_down(paused: str) -> None:
    tables = ("access_codes", "discount_codes")
    run(paused, *(f"UPDATE {table} SET deleted_at = now() WHERE id = 1" for table in tables))
    for _ in range(3):
        schema.rollback(paused, to="0005")
        schema.migrate(paused, to="0009")
    listed = "SELECT table_name, key FROM oeventdb_internal.journal WHERE reason LIKE '%%code deleted since%%' ORDER BY 1"
    assert query(paused, listed, []) == [(table, "1") for table in tables]


def test_a_rating_of_between_two_ways_up_comes_back_not_one_of_before(legacy: str) -> None:
    run(legacy, ROWS, "INSERT INTO feedback (id, rating, event_id) VALUES (2, 'great!', 1)")
    schema.migrate(legacy, to="0003")
    run(legacy, "UPDATE feedback SET rating = 4")
    schema.rollback(legacy, to="0002")
    run(legacy, "UPDATE feedback SET rating = CASE id WHEN 1 THEN 'super!' ELSE '0' END")
    schema.migrate(legacy, to="0003")
    schema.rollback(legacy, to="0002")
    assert query(legacy, "SELECT rating FROM feedback ORDER BY id") == [("super!",), ("0",)]
    kept = "rating unreadable or out of range, kept by a rollback"
    listed = "SELECT key, old_row ->> 'rating', reason FROM oeventdb_internal.journal ORDER BY key"
    assert query(legacy, listed) == [("1", "great!", kept), ("2", "great!", kept)]


def test_an_event_of_between_two_ways_up_comes_back_not_one_of_before(legacy: str) -> None:
    run(
        legacy,
        ROWS,
        "INSERT INTO events (id, name, starts_at, ends_at, timezone) VALUES (2, 'two', now(), now(), 'UTC')",
        "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id) VALUES (1, 'A', 'B', 1), (2, 'A', 'B', 1)",
    )
    schema.migrate(legacy, to="0005")
    run(legacy, "UPDATE ticket_holders SET ticket_id = 2")
    schema.rollback(legacy, to="0004")
    run(legacy, "UPDATE ticket_holders SET ticket_id = 1, event_id = id")
    schema.migrate(legacy, to="0005")
    schema.rollback(legacy, to="0004")
    assert query(legacy, "SELECT ticket_id, event_id FROM ticket_holders ORDER BY id") == [(1, 1), (1, 2)]


SURPLUS = """
UPDATE tickets SET quantity = 1;
CREATE TABLE badges (id int PRIMARY KEY, holder_id bigint REFERENCES ticket_holders ON DELETE CASCADE);
INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id) VALUES (1, 'A', 'B', 1, 1), (2, 'Alan', 'T', 1, 1);
INSERT INTO badges VALUES (1, 2);
"""
NEWCOMER = "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id) VALUES (2, 'New', 'Comer', 2, 1)"


def test_what_went_with_a_holder_does_not_come_to_another_with_its_id(legacy: str) -> None:
    run(legacy, ROWS, SURPLUS)
    schema.migrate(legacy, to="0005")
    run(legacy, NEWCOMER)
    schema.rollback(legacy, to="0004")
    assert query(legacy, "SELECT * FROM badges") == []
    assert query(legacy, "SELECT key FROM oeventdb_internal.journal WHERE table_name = 'badges'") == [("1",)]


def test_of_two_removed_holders_with_one_id_the_other_stays_listed(legacy: str) -> None:
    run(legacy, ROWS, SURPLUS)
    schema.migrate(legacy, to="0005")
    run(legacy, NEWCOMER)
    schema.rollback(legacy, to="0004")
    run(
        legacy,
        "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id) VALUES (0, 'First', 'Comer', 2, 1)",
    )
    schema.migrate(legacy, to="0005")
    schema.rollback(legacy, to="0004")
    assert query(legacy, "SELECT firstname FROM ticket_holders WHERE id = 2") == [("New",)]
    listed = (
        "SELECT old_row ->> 'firstname' FROM oeventdb_internal.journal WHERE table_name = 'ticket_holders'"
    )
    assert query(legacy, listed) == [("Alan",)]


def test_the_uses_of_a_code_that_an_order_says_itself_are_kept(paused: str) -> None:
    run(
        paused,
        "UPDATE discount_codes SET tickets_number = 3 WHERE id = 1",
        "INSERT INTO orders (event_id, status, discount_code_id, discount_seats) VALUES (1, 'completed', 1, 2)",
    )
    schema.rollback(paused, to="0008")
    schema.migrate(paused, to="0009")
    restore(paused, "order placed since the migration")
    assert query(paused, "SELECT discount_seats FROM orders") == [(2,)]
    assert query(paused, "SELECT used_number FROM discount_codes WHERE id = 1") == [(2,)]
