"""Feedback is written anew in one go only where nobody is connected, and nobody who comes meanwhile is hurt."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from oeventdb import schema
from tests.migrations.surroundings import query, run
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

WAIT_FOR_LOCK = """
CREATE FUNCTION wait() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); END';
CREATE EVENT TRIGGER wait ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION wait();
"""
GO_ON = "SELECT pg_advisory_unlock(1)"
FILE = "SELECT pg_relation_filenode('feedback')"


@contextmanager
def writing_anew(legacy: str) -> Iterator[tuple[Future[list[str]], psycopg.Connection]]:
    """Begin to write two rows of feedback anew; yield that, held, and whom it does not see, who may have it go on."""
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
        yield migrating, unseen
        migrating.result(60)


def test_who_comes_while_the_table_is_written_anew_sees_its_rows(legacy: str) -> None:
    with writing_anew(legacy) as (migrating, unseen), psycopg.connect(legacy) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT")
        unseen.execute(GO_ON)
        until(lambda: migrating.done() or unseen.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall())
        ratings = reader.execute("SELECT rating::text FROM feedback ORDER BY 1").fetchall()
    assert ratings == [("3",), ("5",)]


def test_the_table_is_not_written_anew_again_for_those_who_come_for_a_moment(legacy: str) -> None:
    file = query(legacy, FILE)
    with writing_anew(legacy) as (_, unseen):
        # kept waiting until the migration lets go
        unseen.execute("SELECT FROM feedback")
        unseen.execute(GO_ON)
    assert query(legacy, "SELECT rating::text FROM feedback ORDER BY 1") == [("3",), ("5",)]
    assert query(legacy, FILE) == file
