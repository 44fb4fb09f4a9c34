"""The mutants of the rules: each lacks one constraint, unique index, trigger, guard or lock of a migrated database.

What only the tests of migrations use (the functions that put journaled rows back) has no mutants here: those
tests run the migrations themselves, and would never see them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
PROCEDURES = ROOT / "db" / "procedures"
TESTS = Path("tests") / "procedures"

_CONSTRAINTS = """
SELECT c.conname AS name, c.conrelid::regclass::text AS relation, c.conname AS subject,
       format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', c.conrelid::regclass, c.conname) AS mutation
FROM pg_constraint AS c JOIN pg_class AS r ON r.oid = c.conrelid
WHERE r.relnamespace IN ('public'::regnamespace, 'oeventdb_internal'::regnamespace)
  AND r.relname NOT IN ('ledger', 'journal', 'progress', 'grants')
  AND c.contype IN ('c', 'f', 'u', 'x')
"""

_INDEXES = """
SELECT i.indexrelid::regclass::text AS name, i.indrelid::regclass::text AS relation,
       i.indexrelid::regclass::text AS subject,
       format('DROP INDEX %s CASCADE', i.indexrelid::regclass) AS mutation
FROM pg_index AS i JOIN pg_class AS r ON r.oid = i.indrelid
WHERE r.relnamespace IN ('public'::regnamespace, 'oeventdb_internal'::regnamespace) AND i.indisunique
  AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))
"""

_TRIGGERS = """
SELECT t.tgname AS name, t.tgrelid::regclass::text AS relation, p.proname AS subject,
       format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass) AS mutation
FROM pg_trigger AS t JOIN pg_class AS r ON r.oid = t.tgrelid JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE r.relnamespace IN ('public'::regnamespace, 'oeventdb_internal'::regnamespace) AND NOT t.tgisinternal
"""

_FUNCTIONS = """
SELECT p.pronamespace::regnamespace::text || '.' || p.proname AS name, p.prosrc AS body,
       pg_get_functiondef(p.oid) AS definition
FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.pronamespace IN ('oeventdb'::regnamespace, 'oeventdb_internal'::regnamespace)
  AND l.lanname = 'plpgsql' AND p.prokind = 'f'
ORDER BY 1
"""

_GUARD = re.compile(
    r"PERFORM\s+(?:oeventdb_internal\.(?:fail|(?:refuse|require)_\w+)|pg_catalog\.pg_advisory_\w+)\s*\("
)
_LOCK = re.compile(
    r"\sFOR (?:NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)(?: OF \w+)?(?: (?:SKIP LOCKED|NOWAIT))?\b"
)

_DOMAIN_OF_TABLE = {
    "feedback": "ratings",
    "ticket_holders": "holders",
    "tickets": "holders",
    "orders_tickets": "holders",
    "oeventdb_internal.admissions": "holders",
    "oeventdb_internal.free_admissions": "holders",
    "oeventdb_internal.admission_ranges": "holders",
    "discount_codes": "discount_codes",
    "access_codes": "selling",
    "orders": "selling",
}
"""Where the rules of a table are tested; what is in no line here is looked for by name."""


@dataclass(frozen=True)
class Mutant:
    """A database that lacks one thing: the statement that takes it away, and the tests that ought to notice."""

    name: str
    mutation: str
    tests: tuple[str, ...]


def mutants(connection: psycopg.Connection[Any], legacy: set[tuple[str, str]]) -> list[Mutant]:
    """Every mutant of a migrated database; `legacy` are the constraints that are not ours."""
    found = [
        Mutant(f"{kind} {relation}.{name.rpartition('.')[2]}", mutation, nearest_tests(subject, relation))
        for kind, query in (("constraint", _CONSTRAINTS), ("index", _INDEXES), ("trigger", _TRIGGERS))
        for name, relation, subject, mutation in connection.execute(query.encode()).fetchall()
        if (relation, name) not in legacy
    ]
    for name, body, definition in connection.execute(_FUNCTIONS).fetchall():
        for kind, number, mutated in weakened(body):
            found.append(
                Mutant(
                    f"{kind} {name}#{number}",
                    definition.replace(body, mutated),
                    nearest_tests(name.rpartition(".")[2]),
                )
            )
    return [mutant for mutant in found if mutant.tests]


def constraints(connection: psycopg.Connection[Any]) -> set[tuple[str, str]]:
    """The constraints of a database, by table and name."""
    return {(row[1], row[0]) for row in connection.execute(_CONSTRAINTS).fetchall()}


def weakened(body: str) -> Iterator[tuple[str, int, str]]:
    """The body without each of its guards, and without each of its locks; numbered from 1."""
    for number, match in enumerate(_GUARD.finditer(body), start=1):
        end = _statement_end(body, match.start())
        yield "guard", number, f"{body[: match.start()]}NULL;{body[end:]}"
    for number, match in enumerate(_LOCK.finditer(body), start=1):
        yield "lock", number, body[: match.start()] + body[match.end() :]


def _statement_end(body: str, start: int) -> int:
    quoted = False
    for place in range(start, len(body)):
        if body[place] == "'":
            quoted = not quoted
        elif body[place] == ";" and not quoted:
            return place + 1
    raise ValueError("a statement without an end")


def nearest_tests(name: str, relation: str | None = None) -> tuple[str, ...]:
    """The tests that are about a function, which may be a trigger's, or about a constraint of a table; nearest first."""
    sources = {path.stem: path for path in PROCEDURES.rglob("*.sql")}
    if name in sources:
        domains = _domains_using(name, sources)
    elif "used_number" in name:
        domains = {"selling"}
    elif "discount_code" in name:
        domains = {"discount_codes"}
    else:
        domains = {_DOMAIN_OF_TABLE.get(relation or "", "selling" if "order" in str(relation) else "search")}
    directories = [*(ROOT / TESTS).glob(f"*/{name}"), *(ROOT / TESTS / domain for domain in sorted(domains))]
    if "search" in domains:
        directories.append(ROOT / "tests" / "search")
    files = [
        path for directory in directories for path in sorted(directory.rglob("test_*.py"), key=_slowness)
    ]
    return tuple(dict.fromkeys(str(path.relative_to(ROOT)) for path in files))


def _slowness(path: Path) -> tuple[bool, bool, bool, bool, Path]:
    """Races last, and before them random histories and the doors; constraints alone need next to no time."""
    name = path.name
    return "races" in name, "histories" in name, "doors" in name, "alone" not in name, path


def _domains_using(name: str, sources: dict[str, Path]) -> set[str]:
    """The domains of a function; for a helper, those of whoever calls it, at whatever remove."""
    domain = sources[name].parent.name
    if domain != "internal":
        return {domain}
    callers = {
        other for other, path in sources.items() if other != name and f".{name}(" in path.read_text("utf-8")
    }
    return {found for caller in callers for found in _domains_using(caller, sources)}


def apply(connection: psycopg.Connection[Any], mutant: Mutant) -> None:
    """Take away what the mutant lacks."""
    connection.execute(sql.SQL(mutant.mutation))
