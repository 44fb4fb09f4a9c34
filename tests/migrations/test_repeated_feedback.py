"""Feedback may be written twice at any moment until the rule is on, even by two who do not see each other."""

from __future__ import annotations

import psycopg

from oeventdb import schema
from tests.migrations.live_clients import seed
from tests.migrations.stops import migrate_stopping
from tests.migrations.surroundings import ROWS, query, run

WRITE = "INSERT INTO feedback (user_id, event_id, rating) VALUES (1, 1, '4')"
COUNT = """
SELECT count(*), count(*) FILTER (WHERE NOT is_superseded) FROM feedback
WHERE user_id = 1 AND event_id = 1 AND id > %s
"""
SEQUENCE = "SELECT setval('feedback_id_seq', 2)"
SUPERSEDE = "CALL oeventdb_internal.supersede_feedback()"


def test_feedback_written_twice_at_once_between_any_two_statements(legacy: str) -> None:
    written = 0
    at: set[int] = set()
    with (
        psycopg.connect(legacy, autocommit=True) as one,
        psycopg.connect(legacy, autocommit=True) as other,
    ):
        seed(one, 100)
        row = one.execute("SELECT max(id) FROM feedback").fetchone()

        def write_twice(task: str, done: int, total: int | None) -> None:
            nonlocal written
            del total
            if not task.startswith("0004") or done in at:
                return
            at.add(done)
            other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            other.execute("SELECT count(*) FROM users")
            for client in (one, other):
                try:
                    client.execute(WRITE)
                    written += 1
                except (psycopg.errors.UniqueViolation, psycopg.errors.SerializationFailure):
                    pass
            other.execute("COMMIT")

        schema.migrate(legacy, progress=write_twice)
        assert written > 10
        assert one.execute(COUNT, row).fetchone() == (written, 1)


def test_feedback_of_nobody_waits_for_nobody(legacy: str) -> None:
    run(legacy, ROWS, SEQUENCE)

    def write_beside_another() -> None:
        with psycopg.connect(legacy) as other:
            for values in ("NULL, 1", "1, NULL", "NULL, NULL"):
                write = f"INSERT INTO feedback (user_id, event_id, rating) VALUES ({values}, '4')"
                other.execute(write.encode())
                run(legacy, f"SET lock_timeout = '1s'; {write}")

    migrate_stopping(legacy, "0004", {SUPERSEDE: write_beside_another})


def test_feedback_of_many_takes_no_lock_for_each(legacy: str) -> None:
    def write_many() -> None:
        with psycopg.connect(legacy) as client:
            client.execute(
                "INSERT INTO feedback (user_id, event_id, rating) SELECT u.id, e.id, '4' FROM users AS u, events AS e"
            )
            [(locks,)] = query(
                legacy, "SELECT count(*) FROM pg_locks WHERE pid = %s", [client.info.backend_pid]
            )
        assert locks < 50

    run(
        legacy,
        ROWS,
        SEQUENCE,
        "INSERT INTO users (id, _email, _password) SELECT n, n, 'x' FROM generate_series(2, 100) AS n",
    )
    migrate_stopping(legacy, "0004", {SUPERSEDE: write_many})
    assert query(legacy, "SELECT count(*) FROM feedback WHERE NOT is_superseded") == [(101,)]
