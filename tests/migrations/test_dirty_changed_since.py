"""Rolling back keeps what was changed since the migrations, and the journal goes on listing what it could not put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from oeventdb import schema
from oeventdb.demo.loading import advance_sequences
from tests.migrations.surroundings import query, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Databases

DIRT = """
INSERT INTO events (id, name, starts_at, ends_at, timezone, state) VALUES (1, 'one', now(), now(), 'UTC', 'published');
INSERT INTO users (id, _email, _password) VALUES (1, 'a@example.org', '-'), (2, 'b@example.org', '-');
INSERT INTO tickets (id, name, type, quantity, price, sales_starts_at, sales_ends_at, event_id)
    SELECT n, 'ticket ' || n, 'paid', 1, 10, now(), now() + interval '1 day', 1 FROM generate_series(1, 5) n;
INSERT INTO orders (id, event_id, status) VALUES (1, 1, 'completed');
INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id, order_id) VALUES
    (1, 'Ada', 'L', 1, 1, NULL), (2, 'Alan', 'T', 1, 1, NULL), (3, 'Grace', 'H', 2, 1, NULL), (4, 'Linus', 'T', 2, 1, 1);
INSERT INTO feedback (id, rating, user_id, event_id) VALUES (1, 'great!', 1, 1), (2, '4.3', 2, 1);
INSERT INTO discount_codes (id, code, type, value, used_for, event_id, tickets) VALUES
    (1, 'FIRST', 'percent', 5, 'ticket', 1, E'1,\\n3'), (2, 'SECOND', 'percent', 5, 'ticket', 1, '4,none');
"""


@pytest.fixture(scope="module")
def template(databases: Databases, legacy_template: str) -> str:
    """Return the name of a database whose dirt has been migrated, to copy."""
    dsn = databases.create(legacy_template)
    with psycopg.connect(dsn) as connection:
        connection.execute(DIRT)
        advance_sequences(connection, ("tickets", "ticket_holders", "feedback", "discount_codes"))
    schema.migrate(dsn)
    return str(conninfo_to_dict(dsn)["dbname"])


@pytest.fixture
def rolled_back(
    new_database: Callable[[str | None], str], template: str
) -> Callable[[str], psycopg.Connection]:
    """Return a function that changes the migrated database, rolls it back and connects to it."""

    def change_and_roll_back(statement: str) -> psycopg.Connection:
        dsn = new_database(template)
        with psycopg.connect(dsn) as connection:
            connection.execute(statement)
        schema.rollback(dsn, to="0001")
        return psycopg.connect(dsn, autocommit=True)

    return change_and_roll_back


def rows(connection: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def listed(connection: psycopg.Connection) -> set[tuple[str, str]]:
    """The tables and keys that the journal still lists; none where even the journal is gone."""
    if rows(connection, "SELECT to_regclass('oeventdb_internal.journal') IS NULL") == [(True,)]:
        return set()
    return set(rows(connection, "SELECT table_name, key FROM oeventdb_internal.journal"))


def test_without_changes_nothing_is_listed(rolled_back: Callable[[str], psycopg.Connection]) -> None:
    with rolled_back("SELECT 1") as connection:
        assert listed(connection) == set()
        assert rows(connection, "SELECT rating FROM feedback ORDER BY id") == [("great!",), ("4.3",)]
        assert rows(connection, "SELECT id FROM ticket_holders ORDER BY id") == [(1,), (2,), (3,), (4,)]


def test_a_rating_given_since_is_kept_and_the_old_text_listed(
    rolled_back: Callable[[str], psycopg.Connection],
) -> None:
    with rolled_back("UPDATE feedback SET rating = 2 WHERE id = 1") as connection:
        assert rows(connection, "SELECT rating::text FROM feedback ORDER BY id") == [("2",), ("4.3",)]
        assert listed(connection) == {("feedback", "1")}


def test_feedback_deleted_since_stays_deleted_and_listed(
    rolled_back: Callable[[str], psycopg.Connection],
) -> None:
    with rolled_back("DELETE FROM feedback WHERE id = 1") as connection:
        assert rows(connection, "SELECT id FROM feedback") == [(2,)]
        assert listed(connection) == {("feedback", "1")}


def test_a_holder_whose_id_was_given_away_stays_listed(
    rolled_back: Callable[[str], psycopg.Connection],
) -> None:
    new = "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id) VALUES (2, 'New', 'Comer', 3)"
    with rolled_back(new) as connection:
        assert rows(connection, "SELECT firstname FROM ticket_holders WHERE id = 2") == [("New",)]
        assert listed(connection) == {("ticket_holders", "2")}


def test_a_holder_whose_ticket_was_deleted_stays_listed(
    rolled_back: Callable[[str], psycopg.Connection],
) -> None:
    gone = "DELETE FROM ticket_holders WHERE ticket_id = 1; DELETE FROM tickets WHERE id = 1"
    with rolled_back(gone) as connection:
        assert rows(connection, "SELECT id FROM ticket_holders ORDER BY id") == [(3,), (4,)]
        assert ("ticket_holders", "2") in listed(connection)


def test_a_link_made_since_is_written_into_the_text_or_listed(
    rolled_back: Callable[[str], psycopg.Connection],
) -> None:
    with rolled_back("SELECT oeventdb.replace_discount_code_tickets(1, '{1,3,5}')") as connection:
        text = rows(connection, "SELECT tickets FROM discount_codes WHERE id = 1")[0][0]
        assert text == "1,\n3"
        assert listed(connection) == {("tickets", "1:5")}


def test_a_link_removed_since_is_left_out_of_the_text_and_listed(
    rolled_back: Callable[[str], psycopg.Connection],
) -> None:
    taken_over = "SELECT oeventdb.replace_discount_code_tickets(2, '{}'), oeventdb.replace_discount_code_tickets(1, '{3,4}')"
    with rolled_back(taken_over) as connection:
        texts = "SELECT tickets FROM discount_codes ORDER BY id"
        assert rows(connection, texts) == [("\n3",), ("none",)]
        assert listed(connection) == {("tickets", "1:1"), ("tickets", "2:4"), ("tickets", "1:4")}
        reason = rows(connection, "SELECT reason FROM oeventdb_internal.journal WHERE key = '2:4'")
        assert reason == [("link removed since the migration",)]
        schema.migrate(connection.info.dsn)
        links = "SELECT id, discount_code_id FROM tickets WHERE discount_code_id IS NOT NULL"
        assert rows(connection, links) == [(3, 1)]


def test_a_link_removed_before_the_texts_go_is_left_out_and_listed(legacy: str) -> None:
    with psycopg.connect(legacy, autocommit=True) as connection:
        connection.execute(DIRT)
        schema.migrate(legacy, to="0009")
        connection.execute("UPDATE discount_codes SET tickets = '4,5' WHERE id = 2")
        connection.execute("SELECT oeventdb.replace_discount_code_tickets(1, '{3}')")
        schema.rollback(legacy, to="0001")
        texts = "SELECT tickets FROM discount_codes ORDER BY id"
        assert rows(connection, texts) == [("\n3",), ("4,5",)]
        reason = "SELECT key, reason FROM oeventdb_internal.journal"
        assert rows(connection, reason) == [("1:1", "link removed since the migration")]
        schema.migrate(legacy)
        links = "SELECT id, discount_code_id FROM tickets WHERE discount_code_id IS NOT NULL ORDER BY id"
        assert rows(connection, links) == [(3, 1), (4, 2), (5, 2)]


@pytest.mark.parametrize("to", ["0009", None], ids=["links", "all"])
def test_a_word_of_too_many_digits_was_no_link_and_stays_in_the_text(legacy: str, to: str | None) -> None:
    with psycopg.connect(legacy, autocommit=True) as connection:
        connection.execute(DIRT)
        connection.execute("UPDATE discount_codes SET tickets = %s WHERE id = 1", ["1," + "5".zfill(19)])
        schema.migrate(legacy, to=to)
        schema.rollback(legacy, to="0001")
        assert rows(connection, "SELECT tickets FROM discount_codes WHERE id = 1") == [
            ("1," + "5".zfill(19),)
        ]


def test_a_code_made_since_gets_a_text(rolled_back: Callable[[str], psycopg.Connection]) -> None:
    new = """
    SELECT oeventdb.create_discount_code(
        event_id => 1, code => 'NEW', type => 'percent', value => 5, ticket_ids => '{5,2}'
    )"""
    with rolled_back(new) as connection:
        assert rows(connection, "SELECT tickets FROM discount_codes WHERE code = 'NEW'") == [("2,5",)]
        assert listed(connection) == set()


def test_a_holder_added_since_is_kept(rolled_back: Callable[[str], psycopg.Connection]) -> None:
    with rolled_back("SELECT oeventdb.add_ticket_holder(3, 'Barbara', 'Liskov')") as connection:
        kept = rows(
            connection, "SELECT firstname, ticket_id, event_id FROM ticket_holders WHERE lastname = 'Liskov'"
        )
        assert kept == [("Barbara", 3, 1)]
        assert listed(connection) == set()


def test_a_holder_that_moved_to_another_ticket_since_keeps_its_event(legacy: str) -> None:
    run(
        legacy,
        "INSERT INTO events (id, name, starts_at, ends_at, timezone) SELECT n, 'e', now(), now(), 'UTC' FROM generate_series(1, 3) n",
        "INSERT INTO tickets (id, name, type, quantity, sales_starts_at, sales_ends_at, event_id)"
        " SELECT n, 't', 'free', 9, now(), now(), n FROM generate_series(1, 3) n",
        "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id)"
        " VALUES (1, 'A', 'B', 1, 2), (2, 'A', 'B', 1, NULL), (3, 'A', 'B', 1, 2), (4, 'A', 'B', 1, NULL)",
    )
    schema.migrate(legacy)
    run(legacy, "UPDATE ticket_holders SET ticket_id = 3, event_id = 3 WHERE id IN (1, 2)")
    schema.rollback(legacy, to="0001")
    holders = "SELECT id, ticket_id, event_id FROM ticket_holders ORDER BY id"
    assert query(legacy, holders) == [(1, 3, 3), (2, 3, 3), (3, 1, 2), (4, 1, None)]
    assert query(legacy, "SELECT key FROM oeventdb_internal.journal ORDER BY key") == [("1",), ("2",)]


def test_a_holder_that_was_restored_since_has_its_event_of_before_again(legacy: str) -> None:
    run(
        legacy,
        "INSERT INTO events (id, name, starts_at, ends_at, timezone) SELECT n, 'e', now(), now(), 'UTC' FROM generate_series(1, 2) n",
        "INSERT INTO tickets (id, name, type, quantity, sales_starts_at, sales_ends_at, event_id)"
        " VALUES (1, 't', 'free', 0, now(), now(), 1)",
        "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id)"
        " VALUES (1, 'A', 'B', 1, NULL), (2, 'A', 'B', 1, 2), (3, 'A', 'B', 1, 1), (4, 'A', 'B', 1, NULL)",
    )
    schema.migrate(legacy)
    run(legacy, "UPDATE tickets SET quantity = 9")
    with schema.connect(legacy) as connection:
        for entry in schema.journal_list(connection):
            schema.journal_restore(connection, entry.id)
    holders = "SELECT id, event_id FROM ticket_holders ORDER BY id"
    assert query(legacy, holders) == [(1, 1), (2, 1), (3, 1), (4, 1)]
    filled_in = "SELECT key FROM oeventdb_internal.journal WHERE restored_at IS NULL ORDER BY key"
    assert query(legacy, filled_in) == [("1",), ("2",), ("4",)]
    schema.rollback(legacy, to="0001")
    assert query(legacy, holders) == [(1, None), (2, 2), (3, 1), (4, None)]
    assert query(legacy, filled_in) == []
