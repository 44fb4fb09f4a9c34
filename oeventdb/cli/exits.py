"""The exit statuses of the command line."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a shell script can tell from `$?`."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DIFFERS = 3
    DATABASE = 4
    SEARCH = 5
    INTERRUPTED = 130
    TERMINATED = 143
