"""Progress bars on stderr, and only when someone watches it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from oeventdb.progress import silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

    from oeventdb.progress import Report


@contextmanager
def progress_bars() -> Iterator[Report]:
    """Yield a callable that draws one bar a task name while the block runs.

    Nothing is drawn when stderr is not a terminal. The bars vanish at the end, so that only
    the command's own output stays on the screen.
    """
    if not sys.stderr.isatty():
        yield silent
        return
    # here, as nobody needs it who does not watch
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(file=sys.stderr),
        transient=True,
    )
    known: dict[str, TaskID] = {}

    def report(task: str, done: int, total: int | None) -> None:
        if task not in known:
            known[task] = bars.add_task(task, total=total)
        bars.update(known[task], completed=done, total=total)

    with bars:
        yield report
