"""Rows of others that point at holders whom a migration removes."""

from __future__ import annotations

import threading

import psycopg
import pytest

from oeventdb import InvalidArgument, schema
from oeventdb.schema import MigrationFailed
from tests.migrations.surroundings import BADGES, query, rows, run
from tests.procedures.sessions import Stage, outcome

FRIENDS = """
CREATE TABLE friends (
    id int PRIMARY KEY, one bigint REFERENCES ticket_holders ON DELETE CASCADE, other bigint REFERENCES ticket_holders ON DELETE CASCADE
);
INSERT INTO friends VALUES (1, 3, 4);
"""
# as where both holders are removed in one batch: how many go in one is a matter of time
BOTH_AT_ONCE = """
INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason, caused_by, place, journaled_at)
SELECT j.migration, j.table_name, j.key, j.old_row, j.reason, h.id, j.place, j.journaled_at
FROM oeventdb_internal.journal AS j, oeventdb_internal.journal AS h
WHERE j.table_name = 'friends' AND h.table_name = 'ticket_holders' AND h.key = '4' AND j.caused_by <> h.id
"""
RESTORE = "SELECT FROM oeventdb_internal.restore_journaled(%s)"


def test_rows_that_go_with_a_removed_holder_are_journaled_and_come_back_with_the_rollback(dirty: str) -> None:
    run(dirty, BADGES)
    before = rows(dirty)
    schema.migrate(dirty)
    assert query(dirty, "SELECT id FROM ticket_holders ORDER BY id") == [(1,), (2,)]
    assert query(dirty, "SELECT holder_id FROM attendee_badges ORDER BY id") == [(1,), (2,), (None,)]
    assert query(dirty, "SELECT count(*) FROM print_shop.prints") == [(6,)]
    assert query(dirty, "SELECT array_agg(caller ORDER BY number) FROM phone_calls") == [
        ([1, 2, None, None, None],)
    ]
    journaled = query(
        dirty,
        "SELECT table_name, reason, count(*) FROM oeventdb_internal.journal"
        " WHERE migration = '0005.ticket-holders' GROUP BY 1, 2 ORDER BY 1",
    )
    assert journaled == [
        ("attendee_badges", "pointed at a removed row, removed", 3),
        ("phone_calls", "pointed at a removed row, set to NULL", 3),
        ("print_shop.prints", "pointed at a removed row, removed", 6),
        ("ticket_holders", "holder beyond the quantity, removed", 3),
    ]
    assert query(
        dirty,
        "SELECT key, old_row FROM oeventdb_internal.journal WHERE table_name = 'phone_calls' AND key = '2018,3'",
    ) == [("2018,3", {"year": 2018, "number": 3, "caller": 3})]
    schema.rollback(dirty, to="0001")
    assert rows(dirty) == before


def test_a_holder_is_restored_with_the_rows_that_went_with_it(dirty: str) -> None:
    run(dirty, BADGES)
    schema.migrate(dirty)
    run(dirty, "UPDATE tickets SET quantity = 3")
    entries = {
        (table, key): number
        for number, table, key in query(dirty, "SELECT id, table_name, key FROM oeventdb_internal.journal")
    }
    badge, holder = entries["attendee_badges", "3"], entries["ticket_holders", "3"]
    with schema.connect(dirty) as connection:
        assert schema.journal_show(connection, badge).old_row["Shape"] == "round 3"
        for number in entries.values():
            schema.journal_show(connection, number)
        with pytest.raises(InvalidArgument, match=f"^the entry comes back with entry {holder}$"):
            schema.journal_restore(connection, badge)
    with schema.connect(dirty) as connection:
        schema.journal_restore(connection, holder)
    assert query(dirty, 'SELECT id, "Shape" FROM attendee_badges WHERE holder_id = 3') == [(3, "round 3")]
    assert query(dirty, "SELECT pages, twice FROM print_shop.prints WHERE badge_id = 3") == [
        (30, 60),
        (30, 60),
    ]
    assert query(dirty, "SELECT caller FROM phone_calls WHERE number = 3") == [(3,)]
    restored = query(
        dirty,
        "SELECT table_name, count(*) FROM oeventdb_internal.journal WHERE restored_at IS NOT NULL GROUP BY 1 ORDER BY 1",
    )
    assert restored == [
        ("attendee_badges", 1),
        ("phone_calls", 1),
        ("print_shop.prints", 2),
        ("ticket_holders", 1),
    ]


def test_of_two_who_restore_holders_of_one_row_at_once_the_second_brings_it_along(dirty: str) -> None:
    run(dirty, FRIENDS)
    schema.migrate(dirty)
    run(dirty, BOTH_AT_ONCE, "UPDATE tickets SET quantity = NULL")
    holders = query(
        dirty,
        "SELECT id FROM oeventdb_internal.journal WHERE table_name = 'ticket_holders' AND key IN ('3', '4') ORDER BY key",
    )
    stage = Stage(dirty)
    first, second = stage.session(), stage.session()
    first.begin()
    first.run(RESTORE, holders[0])
    running = second.start(RESTORE, holders[1])
    stage.blocked(second, running, by=first)
    first.commit()
    assert outcome(running) == "done"
    stage.close()
    assert query(dirty, "SELECT * FROM friends") == [(1, 3, 4)]


def test_two_who_restore_one_row_by_both_of_its_entries_do_not_wait_for_each_other(dirty: str) -> None:
    run(dirty, FRIENDS)
    schema.migrate(dirty)
    run(dirty, BOTH_AT_ONCE, "UPDATE tickets SET quantity = NULL")
    # as if the row could not come back with the holders
    run(dirty, "ALTER TABLE friends ADD CONSTRAINT nobody CHECK (false)")
    for entry in query(dirty, "SELECT id FROM oeventdb_internal.journal WHERE table_name = 'ticket_holders'"):
        query(dirty, "SELECT true FROM oeventdb_internal.restore_journaled(%s)", entry)
    run(dirty, "ALTER TABLE friends DROP CONSTRAINT nobody")
    entries = query(
        dirty, "SELECT id FROM oeventdb_internal.journal WHERE table_name = 'friends' ORDER BY id"
    )
    assert len(entries) == 2
    stage = Stage(dirty)
    holder, first, second = (stage.session() for _ in range(3))
    holder.begin()
    holder.run("SELECT FROM ticket_holders WHERE id = 3 FOR UPDATE")
    one = first.start(RESTORE, entries[0])
    stage.blocked(first, one, by=holder)
    other = second.start(RESTORE, entries[1])
    stage.waits(second, other)
    holder.commit()
    assert [outcome(one), outcome(other)] == ["done", "OE400"]
    stage.close()
    assert query(dirty, "SELECT * FROM friends") == [(1, 3, 4)]


def test_what_others_have_changed_since_is_kept_in_the_journal(dirty: str) -> None:
    run(dirty, BADGES)
    schema.migrate(dirty, to="0009")
    run(
        dirty,
        "INSERT INTO attendee_badges (id, \"Shape\") VALUES (3, 'another')",
        "UPDATE phone_calls SET caller = 1 WHERE number = 3",
        "DROP TABLE print_shop.prints",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no square badges'; END$$",
        "CREATE TRIGGER refuse BEFORE INSERT ON attendee_badges FOR EACH ROW"
        " WHEN (NEW.\"Shape\" = 'round 5') EXECUTE FUNCTION refuse()",
    )
    schema.rollback(dirty, to="0001")
    assert query(dirty, 'SELECT holder_id, "Shape" FROM attendee_badges WHERE id = 3') == [(None, "another")]
    assert query(dirty, "SELECT caller FROM phone_calls WHERE number = 3") == [(1,)]
    assert query(dirty, "SELECT id FROM ticket_holders WHERE id > 2 ORDER BY id") == [(3,), (4,), (5,)]
    kept = query(dirty, "SELECT table_name, count(*) FROM oeventdb_internal.journal GROUP BY 1 ORDER BY 1")
    assert kept == [("attendee_badges", 2), ("phone_calls", 1), ("print_shop.prints", 6)]


def test_removals_that_take_long_keep_nobody_waiting_and_their_cause_is_named(
    dirty: str, caplog: pytest.LogCaptureFixture
) -> None:
    run(
        dirty,
        "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id) SELECT g, 'A', 'B', 1, 1 FROM generate_series(6, 13) AS g",
        "CREATE TABLE seats (holder_id bigint CONSTRAINT seats_holder REFERENCES ticket_holders ON DELETE CASCADE)",
        "CREATE TABLE beds (holder_id bigint PRIMARY KEY REFERENCES ticket_holders ON DELETE CASCADE)",
        "INSERT INTO seats SELECT id FROM ticket_holders",
        "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.25); RETURN NULL; END'",
        "CREATE TRIGGER linger AFTER DELETE ON seats FOR EACH ROW EXECUTE FUNCTION linger()",
    )
    over = threading.Event()

    def write() -> None:
        with psycopg.connect(dirty, autocommit=True) as connection:
            while not over.wait(0.01):
                connection.execute(
                    "UPDATE ticket_holders SET email = 'x' WHERE id = (SELECT max(id) FROM ticket_holders)"
                )

    client = threading.Thread(target=write)
    client.start()
    try:
        schema.migrate(dirty, patience=5)
    finally:
        over.set()
        client.join()
    assert query(dirty, "SELECT count(*) FROM ticket_holders") == [(2,)]
    assert [
        m
        for m in caplog.messages
        if m.endswith("foreign keys without an index: seats_holder of public.seats")
    ]


@pytest.mark.parametrize("action", ["NO ACTION", "RESTRICT", "SET DEFAULT"])
def test_a_row_that_forbids_the_removal_is_named_and_nothing_is_removed(dirty: str, action: str) -> None:
    run(
        dirty,
        f"CREATE TABLE seats (id serial PRIMARY KEY, holder_id bigint CONSTRAINT seats_holder REFERENCES ticket_holders ON DELETE {action})",
        "INSERT INTO seats (holder_id) VALUES (1), (3)",
    )
    with pytest.raises(
        MigrationFailed, match=r"seats: 1 of its rows point at .*ticket_holders.*, e\.g\. 3"
    ) as failed:
        schema.migrate(dirty)
    assert failed.value.hint is not None
    assert "seats_holder" in failed.value.hint
    assert query(dirty, "SELECT count(*) FROM ticket_holders") == [(5,)]
    assert query(dirty, "SELECT count(*) FROM oeventdb_internal.journal WHERE table_name <> 'feedback'") == [
        (0,)
    ]
    run(dirty, "UPDATE seats SET holder_id = NULL WHERE holder_id = 3")
    schema.migrate(dirty)
    assert query(dirty, "SELECT id FROM ticket_holders ORDER BY id") == [(1,), (2,)]


def test_holders_that_point_at_each_other_are_no_endless_task(dirty: str) -> None:
    run(
        dirty,
        "ALTER TABLE ticket_holders ADD COLUMN leader_id bigint REFERENCES ticket_holders ON DELETE CASCADE",
        "UPDATE ticket_holders SET leader_id = CASE id WHEN 1 THEN 5 WHEN 5 THEN 1 END",
    )
    with pytest.raises(MigrationFailed, match=r"ticket_holders: 1 of its rows point at .*, e\.g\. 5"):
        schema.migrate(dirty)
    assert query(dirty, "SELECT count(*) FROM ticket_holders") == [(5,)]
