"""What every function of ours must declare, read from the live catalog."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.rows import class_row

from oeventdb.resources import db_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Databases

PROCEDURES = db_path() / "procedures"

_FUNCTIONS = """
SELECT n.nspname AS schema,
       p.proname AS name,
       p.prokind::text AS kind,
       l.lanname AS language,
       p.provolatile::text AS volatility,
       p.prosecdef AS security_definer,
       p.proretset AS is_set,
       p.prorettype::regtype::text AS returns,
       coalesce(p.proconfig, '{}') AS settings,
       coalesce(obj_description(p.oid, 'pg_proc'), '') AS comment,
       coalesce(p.proargnames, '{}') AS argument_names,
       p.pronargs AS arguments,
       p.prosrc AS body,
       EXISTS (
           SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
           WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE'
       ) AS is_public
FROM pg_proc AS p
JOIN pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_language AS l ON l.oid = p.prolang
WHERE n.nspname IN ('oeventdb', 'oeventdb_internal')
ORDER BY n.nspname, p.proname
"""

_WRITES = re.compile(r"\b(INSERT INTO|UPDATE \w|DELETE FROM|FOR UPDATE|FOR SHARE|FOR NO KEY UPDATE)\b")
_CLOCKS = re.compile(r"\b(clock_timestamp|random|gen_random_uuid|timeofday)\(")


@dataclass(frozen=True)
class Function:
    """A function or procedure of ours, as pg_proc has it."""

    schema: str
    name: str
    kind: str
    language: str
    volatility: str
    security_definer: bool
    is_set: bool
    returns: str
    settings: list[str]
    comment: str
    argument_names: list[str]
    arguments: int
    body: str
    is_public: bool

    @property
    def commits(self) -> bool:
        """Whether it ends transactions, which forbids SET clauses and SECURITY DEFINER."""
        return self.kind == "p" and re.search(r"\bCOMMIT;", self.body) is not None

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@pytest.fixture(scope="module")
def functions(migrated_template: str, databases: Databases) -> Iterator[list[Function]]:
    """Every function and procedure in our schemas, after every migration."""
    dsn = databases.create(migrated_template)
    with psycopg.connect(dsn) as connection, connection.cursor(row_factory=class_row(Function)) as cursor:
        yield cursor.execute(_FUNCTIONS).fetchall()


@pytest.fixture(scope="module")
def api(functions: list[Function]) -> list[Function]:
    """The functions that applications call."""
    return [f for f in functions if f.schema == "oeventdb"]


def _is_inlined(function: Function) -> bool:
    """A SQL function is inlined only without SET; its file has to say that it forgoes it."""
    header = re.match(r"(?:--.*\n)*", _files().get(function.name, ""))
    says_so = header is not None and "SET search_path" in header[0]
    return function.language == "sql" and not function.security_definer and says_so


@cache
def _files() -> dict[str, str]:
    return {path.stem: path.read_text() for path in PROCEDURES.glob("*/*.sql")}


def test_there_are_functions_to_check(api: list[Function]) -> None:
    assert {"update_rating", "submit_feedback", "event_rating"} <= {f.name for f in api}


def test_every_function_has_a_comment(functions: list[Function]) -> None:
    assert [str(f) for f in functions if len(f.comment) < 20] == []


def test_every_function_pins_a_search_path_that_ends_in_pg_temp(functions: list[Function]) -> None:
    """Unless pg_temp is named last, it is searched first for types: '' would let a caller's "text" in."""
    pinned = "search_path=pg_catalog, pg_temp"
    unpinned = {str(f) for f in functions if not f.commits and pinned not in f.settings}
    assert unpinned - {str(f) for f in functions if _is_inlined(f)} == set()


def test_functions_without_a_pinned_search_path_qualify_every_table(functions: list[Function]) -> None:
    inlined = [f for f in functions if _is_inlined(f)]
    named = {str(f): re.findall(r"\b(?:FROM|JOIN) ([a-z_]\w*)(?![\w.(])", _code(f.body)) for f in inlined}
    assert {name: tables for name, tables in named.items() if tables} == {}


def test_procedures_that_commit_have_no_settings(functions: list[Function]) -> None:
    assert [str(f) for f in functions if f.commits and (f.settings or f.security_definer)] == []


def test_no_function_may_be_executed_by_public(functions: list[Function]) -> None:
    assert [str(f) for f in functions if f.is_public] == []


def test_no_overloads(functions: list[Function]) -> None:
    names = [str(f) for f in functions]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_every_argument_is_named(functions: list[Function]) -> None:
    assert [str(f) for f in functions if f.arguments > len([n for n in f.argument_names if n])] == []


def test_only_volatile_functions_write_or_lock(functions: list[Function]) -> None:
    wrong = [str(f) for f in functions if f.volatility != "v" and _WRITES.search(_code(f.body))]
    assert wrong == []


def test_immutable_functions_read_no_table(functions: list[Function]) -> None:
    wrong = [
        str(f)
        for f in functions
        if f.volatility == "i" and re.search(r"\bFROM (public|oeventdb)", _code(f.body))
    ]
    assert wrong == []


def test_only_volatile_functions_read_the_moving_clock(functions: list[Function]) -> None:
    wrong = [str(f) for f in functions if f.volatility != "v" and _CLOCKS.search(_code(f.body))]
    assert wrong == []


def test_functions_that_only_read_are_not_volatile(api: list[Function]) -> None:
    """A volatile function is called once a row, and never inside an index or a STABLE one."""
    readers = {"update_rating": "i", "event_rating": "s", "ticket_availability": "s"}
    readers |= {"discount_code_tickets": "s", "event_tickets": "s", "event_tickets_by_identifier": "s"}
    readers |= {"ticket_tag_tickets": "s", "access_code_tickets": "s", "order_tickets": "s"}
    readers |= {"quote_order": "s", "search_documents": "s"}
    found = {f.name: f.volatility for f in api if f.name in readers}
    assert found == {name: readers[name] for name in found}


def test_api_functions_run_with_their_owners_rights(api: list[Function]) -> None:
    assert [str(f) for f in api if not f.security_definer] == []


def test_api_functions_are_plpgsql(api: list[Function]) -> None:
    """A SQL-language function is planned at each call before PostgreSQL 18."""
    assert [str(f) for f in api if f.language != "plpgsql"] == []


def test_api_functions_return_sets_or_plain_values(api: list[Function]) -> None:
    """A composite that is no set would be one row of NULLs where there is nothing."""
    plain = {"numeric", "bigint", "integer", "void", "boolean", "text"}
    assert [str(f) for f in api if not f.is_set and f.returns not in plain] == []


def test_every_function_has_a_file_of_its_name(functions: list[Function]) -> None:
    files = _files()
    helpers = _migration_helpers()
    assert [str(f) for f in functions if f.name not in files and f.name not in helpers] == []


def test_every_file_is_a_function(functions: list[Function]) -> None:
    names = {f.name for f in functions}
    assert sorted(set(_files()) - names) == []


@pytest.mark.parametrize("path", sorted(PROCEDURES.glob("*/*.sql")), ids=lambda path: path.stem)
def test_a_file_is_complete(path: Path) -> None:
    text = path.read_text()
    name = path.stem
    first = text.splitlines()[0]
    assert re.fullmatch(r"-- [A-Z].+[.]", first), "the first line states the rule in one sentence"
    created = re.findall(r"CREATE OR REPLACE (FUNCTION|PROCEDURE) (oeventdb(?:_internal)?)\.(\w+)\(", text)
    assert [found[2] for found in created] == [name]
    kind, schema, _ = created[0]
    assert f"COMMENT ON {kind} {schema}.{name}(" in text
    assert re.search(rf"REVOKE ALL ON {kind} {schema}\.{name}\([^)]*\) FROM PUBLIC;", text)
    assert not re.search(r"\bGRANT\b", _code(text)), "grants are given by `oeventdb grant`"


def _code(sql: str) -> str:
    """The SQL without its comments and string literals."""
    return re.sub(r"--[^\n]*|'(?:[^']|'')*'", "", sql)


def _migration_helpers() -> set[str]:
    """Routines that a migration makes for itself."""
    text = "\n".join(path.read_text() for path in (db_path() / "migrations").glob("*.sql"))
    unfrozen = re.sub(r"(?ms)^-- >>> .*?^-- <<<", "", text)
    return set(re.findall(r"CREATE OR REPLACE (?:FUNCTION|PROCEDURE) \w+\.(\w+)\(", unfrozen))
