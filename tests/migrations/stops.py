"""Stopping a migration between two of its statements, for a client to write there, or to be waited for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from oeventdb import schema
from tests.migrations.surroundings import query
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def migrate_stopping(dsn: str, to: str, stops: dict[str, Callable[[], object]]) -> list[str]:
    """Migrate, and call a function before the first statement with each of the texts."""
    scripts = {migration.id: migration.apply for migration in schema.load()}
    left = dict(stops)

    def report(task: str, done: int, total: int | None) -> None:
        if task not in scripts or done == total:
            return
        step = next(step for before, step in scripts[task].steps(after=done))
        for text in [text for text in left if text in step[0].text]:
            left.pop(text)()

    applied = schema.migrate(dsn, to=to, progress=report)
    assert left == {}
    return applied


@contextmanager
def waiting_for(
    dsn: str, to: str, stop: str, change: Callable[[psycopg.Connection], object]
) -> Iterator[psycopg.Connection]:
    """In the block the migration waits for the transaction of a client that made a change at the stop."""
    made: list[object] = []
    with ThreadPoolExecutor(1) as pool, psycopg.connect(dsn) as client:

        def stopped() -> None:
            change(client)
            made.append(change)

        migrating = pool.submit(migrate_stopping, dsn, to, {stop: stopped})
        until(lambda: made and query(dsn, "SELECT FROM pg_locks WHERE NOT granted"), seconds=30)
        yield client
        client.commit()
        migrating.result(60)
