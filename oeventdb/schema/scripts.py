"""Reading migrations from their files, and refusing what could not be run faithfully.

yoyo finds the files and reads their directives. They are split into statements here, by PostgreSQL's
own rules for quotes, comments and dollar quotes: yoyo's splitter knows SQL only roughly, and takes
longer than all the rest of a command that changes nothing.
"""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from yoyo import exceptions, read_migrations
from yoyo.migrations import parse_metadata_from_sql_comments
from yoyo.topologicalsort import CycleError, topological_sort

from oeventdb.errors import Refused
from oeventdb.schema import frozen

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*)
      | (?P<block>/\*)
      | (?P<escape>\b[eE]'(?:[^'\\]|\\.|'')*')
      | (?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<dollar>(?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$)
      | (?P<end>;)
      | (?P<open>['"])""",
    re.VERBOSE | re.DOTALL,
)
_BLOCK_EDGE = re.compile(r"/\*|\*/")
_DIRECTIVE = re.compile(r"^\s*--\s*(transactional|depends)\s*:", re.MULTILINE)
_ID = re.compile(r"\d{4}\.[a-z0-9-]+")
_ALONE = re.compile(
    r"(CALL|VACUUM|CREATE (UNIQUE )?INDEX CONCURRENTLY|DROP INDEX CONCURRENTLY"
    r"|REINDEX .*\bCONCURRENTLY|ALTER TABLE .* DETACH PARTITION .* CONCURRENTLY)\b"
)
_OF_FUNCTIONS = re.compile(r"(CREATE OR REPLACE|COMMENT ON|REVOKE ALL ON|DROP) (FUNCTION|PROCEDURE)\b")
_UNQUOTED_BODY = re.compile(r"\bBEGIN ATOMIC\b")
_SESSION = re.compile(
    r"(BEGIN|START TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE|EXECUTE|LISTEN"
    r"|UNLISTEN|DISCARD|RESET|DEALLOCATE|DECLARE|LOAD|SET (?!CONSTRAINTS)|COPY .* FROM STDIN)\b"
)
_NOT_REPEATABLE = re.compile(
    r"(CREATE (UNIQUE )?INDEX CONCURRENTLY (?!IF NOT EXISTS)|DROP INDEX CONCURRENTLY (?!IF EXISTS))"
)

_NEW_INDEX = re.compile(
    r"\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+IF\s+NOT\s+EXISTS\s+(?P<name>[\w\"]+)"
    r"\s+ON\s+(?:ONLY\s+)?(?P<schema>[\w\"]+)\s*\.\s*(?P<table>[\w\"]+)",
    re.IGNORECASE,
)


class Index(NamedTuple):
    """An index by its schema, its name and the table that it is on; None = on none that is known."""

    schema: str
    name: str
    table: str | None


@dataclass(frozen=True)
class Statement:
    """One statement: `text` as it is sent, `code` in capitals and without what is quoted, to look at."""

    text: str
    code: str

    @property
    def is_call(self) -> bool:
        """Whether a procedure is called, which may commit batch after batch."""
        return self.code.startswith("CALL ")

    @property
    def runs_alone(self) -> bool:
        """Whether PostgreSQL refuses the statement inside a transaction block."""
        return _ALONE.match(self.code) is not None

    @property
    def is_of_functions(self) -> bool:
        """Whether it defines or drops a function: it locks no table, so others can come after it before the commit."""
        return _OF_FUNCTIONS.match(self.code) is not None

    @property
    def new_index(self) -> Index | None:
        """The index that is created concurrently, if one is."""
        found = _NEW_INDEX.search(self.text) if self.runs_alone else None
        return Index(*(_folded(found[part]) for part in Index._fields)) if found else None


@dataclass(frozen=True)
class Script:
    """One direction of a migration."""

    path: Path
    text: str
    transactional: bool
    depends: frozenset[str]
    statements: tuple[Statement, ...]

    def steps(self, *, after: int = 0) -> Iterator[tuple[int, tuple[Statement, ...]]]:
        """Yield what is committed at once, with the number of statements before it: one, or neighbours of functions only."""
        while after < len(self.statements):
            rest = self.statements[after:]
            step = tuple(takewhile(lambda statement: statement.is_of_functions, rest)) or rest[:1]
            yield after, step
            after += len(step)

    @property
    def summary(self) -> str:
        """The first comment line."""
        first = self.text.split("\n", 1)[0]
        return first.removeprefix("--").strip() if first.startswith("--") else ""


@dataclass(frozen=True)
class Migration:
    """A migration and its rollback; `hash` is a sha256 over the bytes of both files."""

    id: str
    hash: str
    apply: Script
    rollback: Script

    @property
    def number(self) -> int:
        """The number at the start of the id."""
        return int(self.id[:4])


def indexes(migrations: Iterable[Migration]) -> Iterator[Index]:
    """Yield the indexes that migrations create concurrently."""
    for migration in migrations:
        for statement in migration.apply.statements:
            if index := statement.new_index:
                yield index


def content_hash(apply: bytes, rollback: bytes) -> str:
    """Return the hash the ledger keeps: of the rollback too, since it undoes what was applied."""
    parts = (hashlib.sha256(apply).digest(), hashlib.sha256(rollback).digest())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _folded(name: str) -> str:
    """Return a name as PostgreSQL reads it: in small letters where it is not quoted."""
    return name[1:-1] if name.startswith('"') else name.lower()


def _skip_block_comment(sql: str, start: int) -> int:
    depth = 0
    for edge in _BLOCK_EDGE.finditer(sql, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    raise ValueError("a block comment does not end")


def split(sql: str) -> Iterator[str]:
    """Yield the statements of a script by PostgreSQL's lexical rules, without their comments.

    Quoted text comes through byte for byte. Raises ValueError where a quote does not end.
    """
    pieces: list[str] = []
    position = 0
    while match := _TOKEN.search(sql, position):
        pieces.append(sql[position : match.start()])
        position = match.end()
        if match["block"]:
            position = _skip_block_comment(sql, match.start())
            pieces.append(" ")
        elif match["dollar"]:
            end = sql.find(match["dollar"], position)
            if end < 0:
                raise ValueError(f"the text that begins with {match['dollar']} does not end")
            position = end + len(match["dollar"])
            pieces.append(sql[match.start() : position])
        elif match["end"]:
            yield "".join(pieces).strip()
            pieces = []
        elif match["open"]:
            raise ValueError("a quoted text does not end")
        elif not match["comment"]:
            pieces.append(match.group())
    pieces.append(sql[position:])
    rest = "".join(pieces).strip()
    if rest:
        raise ValueError(f"the last statement has no semicolon: {rest[:40]!r}")


def _look(code: str) -> str:
    """Return what a statement does, for patterns: capitals, single spaces, nothing quoted."""
    return " ".join(_TOKEN.sub("''", code).upper().split()) if "$" not in code else _unbodied(code)


def _unbodied(code: str) -> str:
    opened = re.search(r"\$\w*\$", code)
    head = code[: opened.start()] if opened else code
    return " ".join(head.upper().split())


def _read_text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise Refused(f"{path.name} is missing from {path.parent}") from None
    except UnicodeDecodeError:
        raise Refused(f"{path.name} is not UTF-8") from None
    if "\r" in text or "\0" in text:
        raise Refused(f"{path.name} has a carriage return or a NUL byte: end lines with \\n alone")
    return text


@lru_cache(maxsize=64)
def _parse(path: Path, text: str) -> Script:
    try:
        frozen.blocks(text)
        statements = tuple(Statement(sent, _look(sent)) for sent in split(text) if sent)
    except frozen.MarkerError as error:
        raise Refused(f"{path.name}: {error}") from None
    except ValueError as error:
        raise Refused(f"{path.name} cannot be split into statements: {error}") from None
    directives, _, _ = parse_metadata_from_sql_comments(text)
    if len(_DIRECTIVE.findall(text)) != len(directives):
        raise Refused(f"{path.name}: directives stand once each, in the comment that begins the file")
    transactional = directives.get("transactional", "true").strip().lower()
    if transactional not in ("true", "false"):
        raise Refused(f"{path.name}: transactional is true or false, not {transactional!r}")
    script = Script(
        path,
        text,
        transactional == "true",
        frozenset(directives.get("depends", "").split()),
        statements,
    )
    _check_statements(script)
    return script


def _check_statements(script: Script) -> None:
    for number, statement in enumerate(script.statements, start=1):
        where = f"{script.path.name}, statement {number} ({statement.code[:40]})"
        if _UNQUOTED_BODY.search(statement.code):
            raise Refused(f"{where}: write function bodies in $function$ ... $function$")
        if _SESSION.match(statement.code):
            raise Refused(f"{where}: the runner owns sessions and transactions")
        if script.transactional and statement.runs_alone:
            raise Refused(f"{where} needs '-- transactional: false' at the top of the file")
        if _NOT_REPEATABLE.match(statement.code):
            raise Refused(f"{where} could not be run again after a kill: add IF [NOT] EXISTS")


def _read_migration(path: Path) -> Migration:
    if not _ID.fullmatch(path.stem) or path.suffix != ".sql":
        raise Refused(f"{path.name} is no migration: plain SQL in a file NNNN.what-it-does.sql is")
    rollback = path.with_suffix(".rollback.sql")
    scripts = (_parse(path, _read_text(path)), _parse(rollback, _read_text(rollback)))
    digest = content_hash(path.read_bytes(), rollback.read_bytes())
    return Migration(path.stem, digest, *scripts)


def load(directory: Path) -> list[Migration]:
    """Read, check and order every migration of a directory; Refused names the first fault."""
    if not directory.is_dir():
        raise Refused(f"there is no directory {directory} with migrations")
    try:
        listed = read_migrations(glob.escape(str(directory)))
    except exceptions.MigrationConflict as error:
        raise Refused(f"two migrations have the id {error}") from None
    by_id = {m.id: _read_migration(Path(m.path)) for m in listed}
    for path in directory.glob("*.rollback.sql"):
        if path.name.removesuffix(".rollback.sql") not in by_id:
            raise Refused(f"{path.name} undoes a migration that is not there")
    _check_order(by_id)
    return list(by_id.values())


def _check_order(by_id: dict[str, Migration]) -> None:
    graph = {m.id: m.apply.depends for m in by_id.values()}
    for migration, depends in graph.items():
        for missing in sorted(depends - by_id.keys()):
            raise Refused(f"{migration} depends on {missing}, which is not there")
    try:
        ordered = list(topological_sort(by_id, graph))
    except CycleError as error:
        raise Refused(f"migrations depend on each other: {', '.join(error.args[1])}") from None
    if ordered != list(by_id):
        raise Refused("a migration depends on one with a higher number: number them in their order")
    numbers = [m.number for m in by_id.values()]
    for number in numbers:
        if numbers.count(number) > 1:
            raise Refused(f"two migrations have the number {number:04d}")


def find(migrations: list[Migration], wanted: str) -> Migration:
    """Return the migration with this id or unique beginning of an id."""
    exact = [m for m in migrations if m.id == wanted]
    found = exact or [m for m in migrations if wanted and m.id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(m.id for m in migrations)
    if found:
        raise Refused(f"{wanted!r} may be {' or '.join(m.id for m in found)}: give more of the id")
    raise Refused(f"there is no migration {wanted!r}; there are: {known or 'none'}")
