"""Stopping a migration between two of its statements, for a client to write there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oeventdb import schema

if TYPE_CHECKING:
    from collections.abc import Callable


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
