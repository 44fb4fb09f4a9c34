"""What a client changes between two steps of a migration, or while a step waits for it, is neither overwritten nor forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import schema
from oeventdb.errors import DatabaseUnreachable
from tests.migrations.stops import migrate_stopping, waiting_for
from tests.migrations.surroundings import query, run
from tests.procedures import invariants
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Databases

ROWS = """
INSERT INTO events (id, identifier, name, state, starts_at, ends_at, timezone)
SELECT n, n, 'event ' || n, 'draft', now(), now(), 'UTC' FROM generate_series(1, 3) AS n;
INSERT INTO tickets (id, name, type, quantity, sales_starts_at, sales_ends_at, event_id)
SELECT n, 'ticket ' || n, 'free', 2, now(), now() + interval '1 day', 1 FROM generate_series(1, 3) AS n;
INSERT INTO orders (id, identifier, status) SELECT n, 'order ' || n, 'completed' FROM generate_series(1, 2) AS n;
INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id, order_id)
VALUES (1, 'A', 'B', 1, 1, 1), (2, 'A', 'B', 2, 1, 1), (3, 'A', 'B', 2, 1, 1);
"""
TICKETS = "CREATE TABLE IF NOT EXISTS oeventdb_internal.ticket_numbers"
SURPLUS = "CALL oeventdb_internal.remove_surplus_holders()"
FREED = "SELECT n.ticket_id, oeventdb_internal.admission_place"
NUMBERS = "CALL oeventdb_internal.number_holders()"
FILL = "CALL oeventdb_internal.fill_ratings()"
SUPERSEDE = "CALL oeventdb_internal.supersede_feedback()"
USES = "CALL oeventdb_internal.count_code_uses()"
RULE_ON = "CALL oeventdb_internal.turn_holder_rule_on()"

AWAY = "UPDATE ticket_holders SET ticket_id = 3 WHERE id = 1"
MOVED = "UPDATE tickets SET event_id = 2 WHERE id = 1"
BACK = "UPDATE ticket_holders SET ticket_id = 1, event_id = 2 WHERE id = 1"
NEW = "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, order_id) VALUES (9, 'A', 'B', 3, 2)"
UNCHANGED = [(1, 1, 1, True), (2, 2, 1, True), (3, 2, 1, True)]


@pytest.fixture(scope="module")
def unnumbered_template(databases: Databases, legacy_template: str) -> str:
    def prepare(dsn: str) -> None:
        run(dsn, ROWS)
        schema.migrate(dsn, to="0004")

    return databases.template(legacy_template, prepare)


@pytest.fixture
def unnumbered(new_database: Callable[[str], str], unnumbered_template: str) -> str:
    """The DSN of a database whose holders are to be numbered by the next migration."""
    return new_database(unnumbered_template)


def holders(dsn: str) -> list[tuple[object, ...]]:
    """Each holder with its ticket and event, and whether it has a number."""
    return query(
        dsn, "SELECT id, ticket_id, event_id, admission_no IS NOT NULL FROM ticket_holders ORDER BY id"
    )


def faults(dsn: str) -> list[object]:
    """What is wrong with the admissions, and what the audit says of anything."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        said = [result for result in schema.audit(connection) if result.violations]
        return [*invariants.broken(connection), *said]


def test_a_holder_that_comes_back_to_a_ticket_that_has_moved(unnumbered: str) -> None:
    migrate_stopping(unnumbered, "0005", {SURPLUS: lambda: run(unnumbered, AWAY, MOVED, BACK)})
    assert holders(unnumbered) == [(1, 1, 2, True), *UNCHANGED[1:]]
    assert faults(unnumbered) == []


def test_a_holder_that_comes_back_while_it_is_waited_for(unnumbered: str) -> None:
    run(unnumbered, "UPDATE ticket_holders SET event_id = NULL WHERE id = 1")
    with waiting_for(
        unnumbered, "0005", NUMBERS, lambda client: [client.execute(s.encode()) for s in (AWAY, MOVED, BACK)]
    ):
        pass
    assert holders(unnumbered) == [(1, 1, 2, True), *UNCHANGED[1:]]
    assert faults(unnumbered) == []


def test_a_ticket_that_moves_once_its_holders_have_places(unnumbered: str) -> None:
    migrate_stopping(unnumbered, "0005", {TICKETS: lambda: run(unnumbered, AWAY, MOVED)})
    assert holders(unnumbered) == [(1, 3, 1, True), *UNCHANGED[1:]]
    assert faults(unnumbered) == []


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_a_holder_of_a_ticket_that_is_on_its_way_to_another_event(unnumbered: str, status: str) -> None:
    run(unnumbered, f"UPDATE orders SET status = '{status}' WHERE id = 2")
    with ThreadPoolExecutor(1) as pool, psycopg.connect(unnumbered) as client:

        def insert_while_it_moves() -> None:
            client.execute("UPDATE tickets SET event_id = 2 WHERE id = 3")
            inserting = pool.submit(run, unnumbered, NEW)
            until(lambda: query(unnumbered, "SELECT FROM pg_locks WHERE NOT granted"))
            client.commit()
            inserting.result()

        migrate_stopping(unnumbered, "0005", {RULE_ON: insert_while_it_moves})
    assert holders(unnumbered) == [*UNCHANGED, (9, 3, 2, status == "completed")]
    assert faults(unnumbered) == []


def test_a_ticket_moves_under_a_snapshot_of_all_its_holders_only(unnumbered: str) -> None:
    client = psycopg.connect(unnumbered)
    client.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

    def insert_behind_it(in_the_way: psycopg.Connection) -> None:
        client.execute("SELECT")
        run(unnumbered, NEW)
        in_the_way.execute("LOCK TABLE orders IN ROW EXCLUSIVE MODE")

    with (
        waiting_for(unnumbered, "0005", RULE_ON, insert_behind_it),
        pytest.raises(psycopg.errors.FeatureNotSupported),
        client,
    ):
        client.execute("UPDATE tickets SET event_id = 2 WHERE id = 3")
    assert holders(unnumbered) == [*UNCHANGED, (9, 3, 1, True)]
    assert faults(unnumbered) == []


def test_a_new_holder_of_an_order_that_is_being_cancelled(unnumbered: str) -> None:
    def cancel_and_insert(client: psycopg.Connection) -> None:
        client.execute("UPDATE orders SET status = 'cancelled' WHERE id = 2")
        run(unnumbered, NEW)

    with waiting_for(unnumbered, "0005", RULE_ON, cancel_and_insert):
        pass
    assert holders(unnumbered) == [*UNCHANGED, (9, 3, 1, False)]
    assert faults(unnumbered) == []


@pytest.mark.parametrize("stop", [SURPLUS, NUMBERS, FREED, RULE_ON])
def test_holders_that_get_other_ids(unnumbered: str, stop: str) -> None:
    run(unnumbered, "UPDATE ticket_holders SET event_id = 2 WHERE id = 1")
    migrate_stopping(
        unnumbered, "0005", {stop: lambda: run(unnumbered, "UPDATE ticket_holders SET id = id + 100")}
    )
    assert holders(unnumbered) == [(number + 100, *others) for number, *others in UNCHANGED]
    assert query(
        unnumbered,
        "SELECT old_row -> 'event_id' FROM oeventdb_internal.journal WHERE table_name = 'ticket_holders'",
    ) == [(2,)]
    assert faults(unnumbered) == []


@pytest.mark.parametrize("stop", [TICKETS, RULE_ON])
@pytest.mark.parametrize(
    ("change", "update", "after"),
    [
        ("tickets: NEW.quantity := 5", "UPDATE tickets SET name = name", UNCHANGED),
        (
            "ticket_holders: NEW.ticket_id := 3",
            "UPDATE ticket_holders SET email = email",
            [(1, 3, 1, True), (2, 3, 1, True)],
        ),
    ],
    ids=["quantity", "ticket"],
)
def test_what_a_trigger_changes_that_no_update_names(
    unnumbered: str, stop: str, change: str, update: str, after: list[tuple[object, ...]]
) -> None:
    table, body = change.split(": ", 1)
    run(
        unnumbered,
        "DELETE FROM ticket_holders WHERE id = 3",
        f"CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {body}; RETURN NEW; END'",
    )
    own = f"CREATE TRIGGER change BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION change()"
    migrate_stopping(
        unnumbered,
        "0005",
        {stop: lambda: run(unnumbered, own, update, f"DROP TRIGGER change ON {table}")},
    )
    assert holders(unnumbered) == [row for row in after if row[0] != 3]
    assert faults(unnumbered) == []


def test_an_old_event_is_journaled_although_its_holder_was_written(unnumbered: str) -> None:
    run(unnumbered, "UPDATE ticket_holders SET event_id = NULLIF(id, 1) WHERE id < 3")
    before = query(unnumbered, "SELECT id, event_id FROM ticket_holders ORDER BY id")
    migrate_stopping(
        unnumbered, "0005", {SURPLUS: lambda: run(unnumbered, "UPDATE ticket_holders SET order_id = 2")}
    )
    assert holders(unnumbered) == UNCHANGED
    assert faults(unnumbered) == []
    schema.rollback(unnumbered, to="0004")
    assert query(unnumbered, "SELECT id, event_id FROM ticket_holders ORDER BY id") == before


@pytest.mark.parametrize(
    ("away", "more"),
    [
        ([f"UPDATE ticket_holders SET ticket_id = {ticket} WHERE id = {{0}}" for ticket in (1, 3)], []),
        (["UPDATE ticket_holders SET id = 1000 WHERE id = {0}", NEW.replace("(9,", "({0},")], [1000]),
    ],
    ids=["ticket", "id"],
)
def test_who_was_away_when_the_numbering_was_killed_gets_a_number_that_is_free(
    unnumbered: str, away: list[str], more: list[int]
) -> None:
    turns = sorted(query(unnumbered, "SELECT hashint8(n) & 7, n FROM generate_series(10, 99) AS n"))
    (_, first), (_, last) = turns[0], turns[-1]
    run(unnumbered, NEW.replace("(9,", f"({first},"), NEW.replace("(9,", f"({last},"))
    run(unnumbered, "UPDATE tickets SET quantity = 3 WHERE id = 3")
    is_numbered = f"SELECT FROM ticket_holders WHERE id = {first} AND admission_no IS NOT NULL"
    with (
        pytest.raises(DatabaseUnreachable),
        waiting_for(
            unnumbered,
            "0005",
            NUMBERS,
            lambda c: c.execute(f"SELECT FROM ticket_holders WHERE id = {last} FOR UPDATE".encode()),
        ),
    ):
        until(lambda: query(unnumbered, is_numbered))
        run(unnumbered, *(statement.format(first) for statement in away))
        run(
            unnumbered,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'oeventdb%'",
        )
    schema.migrate(unnumbered, to="0005")
    assert holders(unnumbered) == [
        *UNCHANGED,
        *((number, 3, 1, True) for number in sorted([first, last, *more])),
    ]
    assert faults(unnumbered) == []


def test_a_holder_that_is_to_go_goes_to_another_ticket(unnumbered: str) -> None:
    def lower_and_leave(client: psycopg.Connection) -> None:
        run(unnumbered, "UPDATE tickets SET quantity = 1 WHERE id = 2")
        client.execute("UPDATE ticket_holders SET ticket_id = 3 WHERE id = 3")

    with waiting_for(unnumbered, "0005", RULE_ON, lower_and_leave):
        pass
    assert holders(unnumbered) == [*UNCHANGED[:2], (3, 3, 1, True)]
    assert faults(unnumbered) == []


def test_a_ticket_that_has_room_by_now_loses_no_holder(unnumbered: str) -> None:
    run(unnumbered, "UPDATE tickets SET quantity = 1 WHERE id = 2")
    migrate_stopping(
        unnumbered, "0005", {SURPLUS: lambda: run(unnumbered, "UPDATE tickets SET quantity = 2 WHERE id = 2")}
    )
    assert holders(unnumbered) == UNCHANGED
    assert faults(unnumbered) == []


def test_a_holder_that_is_to_go_comes_to_life(unnumbered: str) -> None:
    run(
        unnumbered,
        "UPDATE orders SET status = 'cancelled'",
        "UPDATE tickets SET quantity = 1 WHERE id = 2",
        "UPDATE ticket_holders SET order_id = 2 WHERE id = 3",
    )
    revive = "UPDATE orders SET status = 'completed' WHERE id = 2"
    migrate_stopping(unnumbered, "0005", {SURPLUS: lambda: run(unnumbered, revive)})
    assert holders(unnumbered) == [(1, 1, 1, False), (2, 2, 1, False), (3, 2, 1, True)]
    assert faults(unnumbered) == []


def test_a_table_that_is_written_anew_while_its_ratings_become_numbers(legacy: str) -> None:
    run(
        legacy,
        "ALTER TABLE feedback ALTER comment SET STORAGE PLAIN",
        (
            "INSERT INTO feedback (id, rating, comment)"
            " SELECT n, CASE WHEN n % 5 = 0 THEN '3' ELSE '5' END, repeat('a page ', 1000) FROM generate_series(1, 1100) AS n"
        ),
        "DELETE FROM feedback WHERE id < 520",
    )
    [(first,)] = query(
        legacy, "SELECT id FROM feedback WHERE hashint8(id) & 7 = 0 AND rating = '3' ORDER BY id LIMIT 1"
    )
    with (
        ThreadPoolExecutor(1) as pool,
        waiting_for(
            legacy,
            "0003",
            FILL,
            lambda c: c.execute(f"SELECT FROM feedback WHERE id = {first} FOR UPDATE".encode()),
        ) as client,
    ):
        rewriting = pool.submit(run, legacy, "VACUUM FULL feedback")
        until(
            lambda: query(legacy, "SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'")
        )
        client.commit()
        rewriting.result()
    assert query(legacy, "SELECT rating, count(*) FROM feedback GROUP BY 1 ORDER BY 1") == [
        (3, 117),
        (5, 464),
    ]


def test_an_older_snapshot_shows_no_rating_that_nobody_gave(legacy: str) -> None:
    run(
        legacy,
        "INSERT INTO feedback (rating) SELECT CASE WHEN n > 80 THEN '3' ELSE '5' END FROM generate_series(1, 100) AS n",
    )
    with psycopg.connect(legacy) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with waiting_for(legacy, "0003", FILL, lambda _: reader.execute("SELECT")):
            ratings = reader.execute(
                "SELECT rating::text, count(*) FROM feedback GROUP BY 1 ORDER BY 1"
            ).fetchall()
            reader.commit()
    assert ratings == [("3", 20), ("5", 80)]


def test_a_feedback_that_goes_to_another_event_counts_there(legacy: str) -> None:
    run(
        legacy,
        ROWS,
        "INSERT INTO users (id, _email, _password) VALUES (1, 'a@example.org', 'x')",
        "INSERT INTO feedback (id, rating, user_id, event_id) VALUES (1, '4', 1, 1), (2, '5', 1, 1)",
    )
    with waiting_for(
        legacy, "0004", SUPERSEDE, lambda c: c.execute("UPDATE feedback SET event_id = 2 WHERE id = 1")
    ):
        pass
    assert query(legacy, "SELECT id, is_superseded FROM feedback ORDER BY id") == [(1, False), (2, False)]


def test_an_order_that_gets_another_code_counts_for_it(legacy: str) -> None:
    run(
        legacy,
        ROWS,
        (
            "INSERT INTO discount_codes (id, code, type, value, used_for, event_id, tickets, tickets_number, max_quantity)"
            " VALUES (1, 'FIRST', 'percent', 5, 'ticket', 1, '1', 9, 9), (2, 'SECOND', 'percent', 5, 'ticket', 1, '2', 9, 9)"
        ),
        "UPDATE orders SET discount_code_id = 1 WHERE id = 1",
    )
    with waiting_for(
        legacy, "0009", USES, lambda c: c.execute("UPDATE orders SET discount_code_id = 2 WHERE id = 1")
    ):
        pass
    assert query(legacy, "SELECT id, used_number FROM discount_codes ORDER BY id") == [(1, 0), (2, 2)]


def test_an_access_code_that_is_deleted_while_the_rollback_waits(legacy: str) -> None:
    run(legacy, "INSERT INTO access_codes (id, code) VALUES (1, 'BACKSTAGE')")
    schema.migrate(legacy, to="0006")
    with ThreadPoolExecutor(2) as pool:
        with psycopg.connect(legacy) as client:
            client.execute("LOCK TABLE events IN ROW EXCLUSIVE MODE")
            undoing = pool.submit(schema.rollback, legacy)
            until(
                lambda: query(
                    legacy, "SELECT FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass"
                )
            )
            deleting = pool.submit(run, legacy, "UPDATE access_codes SET deleted_at = now()")
            until(
                lambda: (
                    deleting.done()
                    or query(legacy, "SELECT FROM pg_locks WHERE NOT granted AND mode = 'RowExclusiveLock'")
                )
            )
        undoing.result(30)
        was_refused = isinstance(deleting.exception(), psycopg.errors.UndefinedColumn)
    kept = query(legacy, "SELECT key FROM oeventdb_internal.journal WHERE table_name = 'access_codes'")
    assert kept == ([] if was_refused else [("1",)])
