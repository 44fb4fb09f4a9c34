"""Feedback is written anew in one go only where nobody is connected, and nobody who comes meanwhile is hurt."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg

from oeventdb import schema
from tests.migrations.surroundings import query, run
from tests.waiting import until

WAIT_FOR_LOCK = """
CREATE FUNCTION wait() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); END';
CREATE EVENT TRIGGER wait ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION wait();
"""


def test_who_comes_while_the_table_is_written_anew_sees_its_rows(legacy: str) -> None:
    schema.migrate(legacy, to="0002")
    run(legacy, "INSERT INTO feedback (rating) VALUES ('3'), ('5')", WAIT_FOR_LOCK)
    held = "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(legacy, application_name="oeventdb", autocommit=True) as unseen,
    ):
        unseen.execute("SELECT pg_advisory_lock(1)")
        migrating = pool.submit(schema.migrate, legacy, to="0003")
        until(lambda: unseen.execute(held).fetchall())
        with psycopg.connect(legacy) as reader:
            reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            reader.execute("SELECT")
            unseen.execute("SELECT pg_advisory_unlock(1)")
            until(
                lambda: (
                    migrating.done() or unseen.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall()
                )
            )
            ratings = reader.execute("SELECT rating::text FROM feedback ORDER BY 1").fetchall()
        migrating.result(60)
    assert ratings == [("3",), ("5",)]


def test_the_table_is_not_written_anew_again_for_those_who_come_for_a_moment(legacy: str) -> None:
    schema.migrate(legacy, to="0002")
    run(legacy, "INSERT INTO feedback (rating) VALUES ('3'), ('5')", WAIT_FOR_LOCK)
    file = query(legacy, "SELECT pg_relation_filenode('feedback')")
    held = "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(legacy, application_name="oeventdb", autocommit=True) as unseen,
    ):
        unseen.execute("SELECT pg_advisory_lock(1)")
        migrating = pool.submit(schema.migrate, legacy, to="0003")
        until(lambda: unseen.execute(held).fetchall())
        # kept waiting until the migration lets go
        unseen.execute("SELECT FROM feedback")
        unseen.execute("SELECT pg_advisory_unlock(1)")
        migrating.result(60)
    assert query(legacy, "SELECT rating::text FROM feedback ORDER BY 1") == [("3",), ("5",)]
    assert query(legacy, "SELECT pg_relation_filenode('feedback')") == file
