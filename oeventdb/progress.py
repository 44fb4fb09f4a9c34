"""How a long task tells how far it is."""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Takes the state of a task: how much is done, of how much (None = not known)."""

    def __call__(self, task: str, done: int, total: int | None, /) -> None:
        """Show it."""


def silent(task: str, done: int, total: int | None, /) -> None:
    """Show nothing."""
