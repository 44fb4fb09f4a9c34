"""Frozen copies: the bodies of functions and queries as a migration once installed them.

A migration carries a byte copy of each file of db/procedures (or db/audit) it installs, between
two marker lines, so that replaying all migrations gives the same database for ever while people
go on editing the file itself::

    -- >>> db/procedures/ratings/update_rating.sql
    CREATE OR REPLACE FUNCTION oeventdb.update_rating(...) ...
    -- <<<

In a rollback the same markers hold the copy of the migration before, or the DROP that removes
what never existed before. A line ``-- gone: db/procedures/x/y.sql`` says that a migration
removed what the file once defined.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BEGIN = re.compile(r"-- >>> (?P<path>\S+)")
_END = re.compile(r"-- <<<")
_GONE = re.compile(r"^-- gone: (?P<path>\S+)[ \t]*$", re.MULTILINE)
_LOOKS_LIKE_MARKER = re.compile(r"\s*--\s*(>>>|<<<)")


class MarkerError(ValueError):
    """The markers of a migration are not in pairs, or hold one file twice."""


@dataclass(frozen=True)
class Block:
    """What stands between two markers: `start` and `end` are offsets of `text` in the script."""

    path: str
    text: str
    start: int
    end: int


def blocks(script: str) -> list[Block]:
    """Return the frozen copies of a script in their order; raise MarkerError with the line."""
    found: list[Block] = []
    opened: tuple[str, int] | None = None
    offset = 0
    for number, line in enumerate(script.splitlines(keepends=True), start=1):
        bare = line.rstrip("\n")
        begin = _BEGIN.fullmatch(bare)
        if begin:
            if opened:
                raise MarkerError(f"line {number}: {opened[0]} is still open")
            opened = (begin["path"], offset + len(line))
        elif _END.fullmatch(bare):
            if not opened:
                raise MarkerError(f"line {number}: a copy ends that did not begin")
            path, start = opened
            found.append(Block(path, script[start:offset], start, offset))
            opened = None
        elif _LOOKS_LIKE_MARKER.match(bare):
            raise MarkerError(f"line {number}: write a marker as '-- >>> PATH' or '-- <<<'")
        offset += len(line)
    if opened:
        raise MarkerError(f"the copy of {opened[0]} does not end")
    paths = [block.path for block in found]
    for path in paths:
        if paths.count(path) > 1:
            raise MarkerError(f"{path} is there twice")
    return found


def gone(script: str) -> list[str]:
    """Return the files whose objects the script says it removed."""
    return [match["path"] for match in _GONE.finditer(script)]


def replace(script: str, texts: dict[str, str]) -> str:
    """Return the script with the copies of the given files (path -> text) replaced."""
    for block in reversed(blocks(script)):
        if block.path in texts:
            script = script[: block.start] + texts[block.path] + script[block.end :]
    return script


def wrap(path: str, text: str) -> str:
    """Return text between the markers of a file."""
    return f"-- >>> {path}\n{text}-- <<<\n"
