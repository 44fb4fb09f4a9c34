"""The version of an event grows with every change the index shows, and with nothing else."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
import pytest

from tests import samples


def version(db: psycopg.Connection[Any], event: int) -> int | None:
    """Return the version that is kept for an event, whether it exists or not."""
    row = db.execute(
        "SELECT search_version FROM oeventdb_internal.search_versions WHERE event_id = %s", (event,)
    ).fetchone()
    return row[0] if row else None


def shown(db: psycopg.Connection[Any], event: int) -> int | None:
    """Return the version with which an event is in the index, None if it is not to be there."""
    row = db.execute(
        "SELECT search_version FROM oeventdb.search_documents() WHERE event_id = %s", (event,)
    ).fetchone()
    return row[0] if row else None


@pytest.mark.parametrize(
    "change",
    [
        "name = 'other'",
        "identifier = 'other'",
        "description = 'other'",
        "description = NULL",
        "searchable_location_name = 'other'",
        "organizer_name = 'other'",
        "organizer_description = 'other'",
        "starts_at = starts_at + interval '1 h'",
        "ends_at = ends_at + interval '1 h'",
        "timezone = 'Asia/Tokyo'",
        "latitude = 1",
        "latitude = '-0'",
        "longitude = NULL",
        "privacy = 'private'",
        "privacy = NULL",
        "state = 'draft'",
        "state = NULL",
        "deleted_at = now()",
    ],
)
def test_what_the_index_shows_takes_the_next_version(db: psycopg.Connection, change: str) -> None:
    event = samples.event(db, description="text", latitude=0, longitude=13.4)
    before = version(db, event)
    assert before == 1
    db.execute(f"UPDATE events SET {change} WHERE id = %s", (event,))
    assert version(db, event) == 2


@pytest.mark.parametrize(
    "change",
    [
        "name = name",
        "logo_url = 'https://example.org/logo.png'",
        "location_name = 'Hall 1'",
        "is_map_shown = true",
        "schedule_published_on = now()",
        "code_of_conduct = 'Be kind'",
    ],
)
def test_what_the_index_does_not_show_writes_nothing(db: psycopg.Connection, change: str) -> None:
    event = samples.event(db)
    db.execute(f"UPDATE events SET {change}")
    written = db.execute(
        "SELECT n_tup_upd + n_tup_hot_upd FROM pg_stat_xact_user_tables"
        " WHERE relid = 'oeventdb_internal.search_versions'::regclass"
    ).fetchone()
    assert version(db, event) == 1
    assert written == (0,)


def test_a_session_that_passes_for_a_replica_is_seen_like_any_other(db: psycopg.Connection) -> None:
    with db.transaction():
        db.execute("SET LOCAL session_replication_role = replica")
        event, other = samples.event(db), samples.event(db)
        db.execute("UPDATE events SET name = 'other' WHERE id = %s", (event,))
        db.execute("DELETE FROM events WHERE id = %s", (other,))
        assert (version(db, event), version(db, other)) == (2, 2)
        db.execute("TRUNCATE events CASCADE")
    assert version(db, event) == 3


def test_drafts_take_no_versions_until_they_are_published(db: psycopg.Connection) -> None:
    event = samples.event(db, state="draft")
    db.execute("UPDATE events SET name = 'still a draft'")
    assert version(db, event) is None
    db.execute("UPDATE events SET state = 'published'")
    assert shown(db, event) == version(db, event) == 2
    db.execute("DELETE FROM events WHERE id = %s", (samples.event(db, state="draft"),))
    assert db.execute("SELECT count(*) FROM oeventdb_internal.search_versions").fetchone() == (1,)


def test_it_goes_on_growing_across_delete_and_insert_of_the_same_id(db: psycopg.Connection) -> None:
    event = samples.event(db)
    db.execute("DELETE FROM events WHERE id = %s", (event,))
    assert (version(db, event), shown(db, event)) == (2, None)
    samples.event(db, id=event)
    assert version(db, event) == shown(db, event) == 3


def test_an_event_from_before_the_versions_counts_from_one(db: psycopg.Connection) -> None:
    event = samples.event(db)
    db.execute("DELETE FROM oeventdb_internal.search_versions")
    assert (version(db, event), shown(db, event)) == (None, 1)
    db.execute("UPDATE events SET name = 'changed'")
    assert version(db, event) == shown(db, event) == 2


def test_deleting_an_event_from_before_the_versions_outdates_it(db: psycopg.Connection) -> None:
    event = samples.event(db)
    db.execute("DELETE FROM oeventdb_internal.search_versions")
    db.execute("DELETE FROM events")
    assert version(db, event) == 2


def test_a_changed_id_ends_one_event_and_begins_another(db: psycopg.Connection) -> None:
    event = samples.event(db)
    db.execute("UPDATE events SET id = id + 1000")
    assert (version(db, event), version(db, event + 1000)) == (2, 1)


def test_truncate_outdates_every_event_that_was_in_the_index(db: psycopg.Connection) -> None:
    events = [samples.event(db) for _ in range(3)]
    draft = samples.event(db, state="draft")
    db.execute("TRUNCATE events CASCADE")
    assert [version(db, event) for event in events] == [2, 2, 2]
    assert version(db, draft) is None


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_truncate_is_refused_where_it_would_remove_events_that_it_cannot_see(
    db: psycopg.Connection, migrated: str, isolation: str
) -> None:
    with psycopg.connect(migrated) as other:
        other.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        other.execute("SELECT count(*) FROM events")
        event = samples.event(db)
        with pytest.raises(
            psycopg.errors.FeatureNotSupported, match=r"^events are truncated under READ COMMITTED only"
        ) as refusal:
            other.execute("TRUNCATE events CASCADE")
    assert "DELETE" in str(refusal.value.diag.message_hint)
    assert (version(db, event), shown(db, event)) == (1, 1)


def test_copy_is_captured_as_well(db: psycopg.Connection) -> None:
    with (
        db.cursor() as cursor,
        cursor.copy("COPY events (id, name, starts_at, ends_at, timezone, state) FROM STDIN") as copy,
    ):
        for number in (901, 902):
            copy.write_row((number, "Copied", samples.NOW, samples.NOW, "UTC", "published"))
    assert [version(db, 901), version(db, 902)] == [1, 1]


def test_what_is_rolled_back_takes_no_version(db: psycopg.Connection) -> None:
    event = samples.event(db)
    with db.transaction(force_rollback=True):
        db.execute("UPDATE events SET name = 'never'")
        assert version(db, event) == 2
    assert version(db, event) == 1


def test_a_change_by_another_trigger_is_seen(db: psycopg.Connection) -> None:
    event = samples.event(db)
    db.execute(
        "CREATE FUNCTION public.shout() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN NEW.name := upper(NEW.name); RETURN NEW; END$$;"
        "CREATE TRIGGER shout BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION shout()"
    )
    db.execute("UPDATE events SET is_map_shown = true")
    assert version(db, event) == 2


@pytest.mark.usefixtures("migrated")
def test_a_writer_needs_no_right_on_the_versions(db: psycopg.Connection) -> None:
    event = samples.event(db)
    db.execute("GRANT SELECT, UPDATE ON events TO pg_monitor")
    db.execute("SET ROLE pg_monitor")
    db.execute("UPDATE events SET name = 'changed'")
    db.execute("RESET ROLE")
    assert version(db, event) == 2


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_two_writers_of_one_event_take_versions_in_commit_order(migrated: str, isolation: str) -> None:
    with (
        psycopg.connect(migrated, autocommit=True) as first,
        psycopg.connect(migrated, autocommit=True) as second,
        psycopg.connect(migrated, autocommit=True) as watcher,
    ):
        event = samples.event(watcher)
        first.execute(f"BEGIN ISOLATION LEVEL {isolation}")
        first.execute("UPDATE events SET name = 'first'")
        failed: list[str | None] = []

        def write() -> None:
            try:
                second.execute(f"BEGIN ISOLATION LEVEL {isolation}")
                second.execute("UPDATE events SET name = 'second'")
                second.execute("COMMIT")
            except psycopg.errors.SerializationFailure as error:
                failed.append(error.sqlstate)
                second.execute("ROLLBACK")

        thread = threading.Thread(target=write)
        thread.start()
        waits = (
            "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'",
            (second.info.backend_pid,),
        )
        while watcher.execute(*waits).fetchone() != (1,):
            time.sleep(0.01)
        assert shown(watcher, event) == 1
        first.execute("COMMIT")
        thread.join()
        retried = isolation != "READ COMMITTED"
        assert failed == (["40001"] if retried else [])
        assert version(watcher, event) == (2 if retried else 3)


def test_writers_of_different_events_do_not_wait_for_each_other(migrated: str) -> None:
    with (
        psycopg.connect(migrated, autocommit=True) as first,
        psycopg.connect(migrated, autocommit=True) as second,
    ):
        one, other = samples.event(first), samples.event(first)
        first.execute("BEGIN")
        first.execute("UPDATE events SET name = 'x' WHERE id = %s", (one,))
        second.execute("SET lock_timeout = '1s'")
        second.execute("UPDATE events SET name = 'y' WHERE id = %s", (other,))
        first.execute("ROLLBACK")
        assert (version(second, one), version(second, other)) == (1, 2)
