"""Between the migrations that make links of the texts of ticket ids and that drop the texts, either may be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import schema
from oeventdb.schema.audit import audit
from tests.migrations.stops import waiting_for
from tests.migrations.surroundings import query, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Databases

ROWS = """
INSERT INTO events (id, name, starts_at, ends_at, timezone) VALUES (1, 'one', now(), now(), 'UTC');
INSERT INTO tickets (id, name, type, quantity, price, sales_starts_at, sales_ends_at, event_id)
SELECT n, 'ticket ' || n, 'paid', 5, 20, now(), now(), 1 FROM generate_series(1, 6) AS n;
INSERT INTO discount_codes (id, code, type, value, used_for, event_id, tickets) VALUES
    (1, 'FIRST', 'percent', 5, 'ticket', 1, '1, 2,03'), (2, 'SECOND', 'percent', 5, 'ticket', 1, '3,4');
"""
CHANGES = (
    # the legacy application: 2 to the other code, 4 to none, 5 to the first
    "UPDATE discount_codes SET tickets = '1,3,5' WHERE id = 1",
    "UPDATE discount_codes SET tickets = '3,2,6' WHERE id = 2",
    # a new one: 1 to none, 6 to a code of its own
    "UPDATE tickets SET discount_code_id = NULL WHERE id = 1",
    "SELECT oeventdb.create_discount_code(1, 'THIRD', 'percent', 5, 'ticket', '{6}')",
)
DROP = "CALL oeventdb_internal.drop_ticket_texts()"
LINKS = [(1, None), (2, "SECOND"), (3, "FIRST"), (4, None), (5, "FIRST"), (6, "THIRD")]


@pytest.fixture(scope="module")
def linked_template(databases: Databases, legacy_template: str) -> str:
    def prepare(dsn: str) -> None:
        run(dsn, ROWS, "SELECT setval('discount_codes_id_seq', 2)")
        schema.migrate(dsn, to="0009")

    return databases.template(legacy_template, prepare)


@pytest.fixture
def linked(new_database: Callable[[str], str], linked_template: str) -> str:
    """The DSN of a database whose texts are links, but still there."""
    return new_database(linked_template)


@pytest.mark.parametrize("again", [False, True])
def test_a_change_of_either_counts(linked: str, *, again: bool) -> None:
    if again:
        schema.migrate(linked)
        schema.rollback(linked, to="0009")
    run(linked, *CHANGES)
    schema.migrate(linked)
    links = "SELECT t.id, c.code FROM tickets AS t LEFT JOIN discount_codes AS c ON c.id = t.discount_code_id ORDER BY t.id"
    assert query(linked, links) == LINKS
    lost = "SELECT key, reason FROM oeventdb_internal.journal WHERE table_name = 'tickets' ORDER BY key"
    assert query(linked, lost) == [
        ("2:3", "claim lost to a lower code"),
        ("2:6", "claim lost: the ticket has another code"),
    ]


def test_texts_that_nobody_has_changed_change_no_link(linked: str) -> None:
    run(linked, "UPDATE tickets SET discount_code_id = 3 - discount_code_id WHERE id IN (2, 4)")
    schema.migrate(linked)
    assert query(linked, "SELECT id, discount_code_id FROM tickets WHERE id IN (2, 4)") == [(2, 2), (4, 1)]


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM discount_codes WHERE id = 3",
        "UPDATE discount_codes SET event_id = 2 WHERE id = 3",
        "UPDATE discount_codes SET type = 'amount', value = 30 WHERE id = 3",
        (
            "UPDATE tickets SET position = 1 WHERE id = 5; DELETE FROM discount_codes WHERE id = 3;"
            " INSERT INTO discount_codes (id, code, type, value, used_for, event_id) VALUES (3, 'THIRD', 'percent', 5, 'event', 1)"
        ),
    ],
)
def test_a_code_that_changes_while_its_text_becomes_links_stops_nothing(linked: str, change: str) -> None:
    run(
        linked,
        "INSERT INTO events (id, name, starts_at, ends_at, timezone) VALUES (2, 'two', now(), now(), 'UTC')",
        "INSERT INTO discount_codes (id, code, type, value, used_for, event_id, tickets) VALUES (3, 'THIRD', 'percent', 5, 'ticket', 1, '5')",
    )
    with waiting_for(linked, "0010", DROP, lambda client: client.execute(change.encode())):
        pass
    assert schema.migrate(linked) == []
    assert query(linked, "SELECT id FROM tickets WHERE discount_code_id = 3") == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE discount_codes SET tickets = '1,3,5' WHERE id = 1",
        (
            "INSERT INTO discount_codes (id, code, type, value, used_for, event_id, tickets)"
            " VALUES (3, 'THIRD', 'percent', 5, 'ticket', 1, '5')"
        ),
    ],
)
def test_a_text_that_is_written_at_the_last_moment_becomes_links(linked: str, change: str) -> None:
    with waiting_for(linked, "0010", DROP, lambda client: client.execute(change.encode())):
        pass
    assert query(linked, "SELECT count(*) FROM tickets WHERE id = 5 AND discount_code_id IS NOT NULL") == [
        (1,)
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("discount_code_id = 2", "claim lost: the ticket has another code"),
        ("event_id = 2", "ticket of another event"),
    ],
)
def test_a_ticket_that_changes_while_its_text_waits_for_it_has_its_lost_claim_listed(
    linked: str, change: str, reason: str
) -> None:
    run(
        linked,
        "INSERT INTO events (id, name, starts_at, ends_at, timezone) VALUES (2, 'two', now(), now(), 'UTC')",
        "UPDATE discount_codes SET tickets = '1,2,3,5' WHERE id = 1",
    )
    with waiting_for(
        linked,
        "0010",
        DROP,
        lambda client: client.execute(f"UPDATE tickets SET {change} WHERE id = 5".encode()),
    ):
        pass
    lost = "SELECT reason FROM oeventdb_internal.journal WHERE key = '1:5'"
    assert query(linked, lost) == [(reason,)]


def test_a_long_text_without_commas_stops_nothing_and_is_kept_whole(legacy: str) -> None:
    text = ";".join(str(number * 7919) for number in range(5000))
    run(legacy, ROWS, f"UPDATE discount_codes SET tickets = '{text}' WHERE id = 1")
    schema.migrate(legacy)
    entries = "SELECT key, old_row ->> 'tickets' FROM oeventdb_internal.journal WHERE reason = %s AND key ~ '^1(:|$)'"
    assert query(legacy, entries, ["no id of a ticket"]) == [(f"1:{text[:500]}", None)]
    assert query(legacy, entries, ["text of ticket ids, now links"]) == [("1", text)]
    schema.rollback(legacy, to="0001")
    assert query(legacy, "SELECT tickets FROM discount_codes WHERE id = 1") == [(text,)]


def test_a_word_that_a_text_repeats_is_journaled_once(legacy: str) -> None:
    """Each was looked for among the entries of those before it: 20,000 took 20 seconds."""
    run(legacy, ROWS, "UPDATE discount_codes SET tickets = repeat('x,', 20) || 'y' WHERE id = 1")
    with psycopg.connect(legacy) as connection:
        (unknown,) = (
            result for result in audit(connection) if result.rule == "discount_code_tickets_unknown"
        )
    assert (unknown.violations, unknown.sample) == (2, ["1:x", "1:y"])
    schema.migrate(legacy, to="0006")
    entries = "SELECT key FROM oeventdb_internal.journal WHERE reason = 'no id of a ticket' ORDER BY key"
    assert query(legacy, entries) == [("1:x",), ("1:y",)]
