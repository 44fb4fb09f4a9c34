"""Feedback may be written twice at any moment until the rule is on, even by two who do not see each other."""

from __future__ import annotations

import psycopg

from oeventdb import schema
from tests.migrations.live_clients import seed

WRITE = "INSERT INTO feedback (user_id, event_id, rating) VALUES (1, 1, '4')"
COUNT = """
SELECT count(*), count(*) FILTER (WHERE NOT is_superseded) FROM feedback
WHERE user_id = 1 AND event_id = 1 AND id > %s
"""


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
                except psycopg.errors.UniqueViolation:
                    pass
            other.execute("COMMIT")

        schema.migrate(legacy, progress=write_twice)
        assert written > 10
        assert one.execute(COUNT, row).fetchone() == (written, 1)
