"""A process whose children migrate until they come to one of the points to be killed at.

Reads a request a line on stdin, as JSON: {"dsn", "direction", "to", "stops"}; `stops` lists the
points, [task, done]. Prints a line of JSON for each: {"pid", "task", "done"} from a
child that waits to be killed, {"finished": true} or {"failed": reason}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from oeventdb import schema
from oeventdb.schema import runner

MIGRATIONS = schema.load()


def _loaded(directory: Path | None = None) -> list[schema.Migration]:
    """Return the migrations as they were read when this process started."""
    assert directory is None
    return MIGRATIONS


def _run(request: dict[str, Any]) -> None:
    stops = {tuple(point) for point in request["stops"]}

    def stop(task: str, done: int, total: int | None) -> None:
        del total
        if (task, done) in stops:
            print(json.dumps({"pid": os.getpid(), "task": task, "done": done}), flush=True)
            signal.pause()

    run = schema.rollback if request["direction"] == "rollback" else schema.migrate
    try:
        run(request["dsn"], to=request["to"], progress=stop)
    except Exception as error:  # noqa: BLE001
        print(json.dumps({"failed": f"{type(error).__name__}: {error}"}), flush=True)
    else:
        print(json.dumps({"finished": True}), flush=True)


def main() -> None:
    """Serve requests, each by a process of its own, until stdin ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    runner.load = _loaded
    for line in sys.stdin:
        if os.fork() == 0:
            _run(json.loads(line))
            os._exit(0)


if __name__ == "__main__":
    main()
