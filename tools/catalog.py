"""What the database's catalog says about the API: the functions of schema oeventdb.

The client and the reference pages are generated from this, so both can only say
what the database says. Three markers in the catalog carry what types cannot:

- ``ROWS 1`` on a set-returning function: it returns exactly one row, or raises.
- What the comment of a function says of NULL (for its arguments and the columns of its
  RETURNS TABLE), or the comment of a composite type (for its columns): see nullable_names.
  A column of a composite type is nullable unless the column of the same name in the type's
  table is NOT NULL; the sentence ``Nullable: a, b.`` in its comment says otherwise.
- Arguments with a default may be left out; with the default NULL they may be NULL.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.rows import dict_row

from oeventdb.servers.postgres import find_postgres
from tools.generated import parser

_FUNCTIONS = """
SELECT p.oid::bigint AS oid,
       p.proname AS name,
       coalesce(obj_description(p.oid, 'pg_proc'), '') AS comment,
       p.provolatile::text AS volatility,
       p.proretset AS is_set,
       p.prorows = 1 AS is_single,
       format_type(p.prorettype, NULL) AS returns,
       CASE WHEN t.typtype = 'c' THEN t.typname END AS composite
FROM pg_proc AS p
JOIN pg_type AS t ON t.oid = p.prorettype
WHERE p.pronamespace = 'oeventdb'::regnamespace
  AND p.prokind = 'f'
  AND t.typname <> 'trigger'
ORDER BY p.proname
"""

_ARGUMENTS = """
SELECT a.name,
       format_type(a.type, NULL) AS type,
       pg_get_function_arg_default(p.oid, a.position::int) AS default_sql,
       a.mode::text AS mode
FROM pg_proc AS p,
     unnest(
         coalesce(p.proallargtypes, p.proargtypes::oid[]),
         p.proargnames,
         p.proargmodes
     ) WITH ORDINALITY AS a (type, name, mode, position)
WHERE p.oid = %s
ORDER BY a.position
"""

_COLUMNS = """
SELECT a.attname AS name,
       format_type(a.atttypid, NULL) AS type,
       CASE WHEN c.oid IS NOT NULL THEN NOT coalesce(b.attnotnull, false) END AS nullable
FROM pg_type AS t
JOIN pg_attribute AS a ON a.attrelid = t.typrelid
LEFT JOIN pg_class AS c
    ON c.relnamespace = 'public'::regnamespace AND c.relname IN (t.typname, t.typname || 's')
LEFT JOIN pg_attribute AS b ON b.attrelid = c.oid AND b.attname = a.attname
WHERE t.typnamespace = 'oeventdb'::regnamespace
  AND t.typname = %s
  AND a.attnum > 0
  AND NOT a.attisdropped
ORDER BY a.attnum
"""


@dataclass(frozen=True)
class Argument:
    """An argument of a function; ``default`` is its SQL, None where it must be given."""

    name: str
    type: str
    default: str | None
    nullable: bool


@dataclass(frozen=True)
class Column:
    """A column of a row that functions return."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True)
class Row:
    """A row type: a composite type, or the RETURNS TABLE of one function."""

    name: str
    comment: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Function:
    """A function of the API. ``row`` is None where it returns a bare value."""

    name: str
    comment: str
    volatility: str
    arguments: tuple[Argument, ...]
    returns: str
    row: Row | None
    is_set: bool
    is_single: bool


def functions(connection: psycopg.Connection[tuple[object, ...]]) -> list[Function]:
    """Every function of the API, by name."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_FUNCTIONS).fetchall()
    return [_function(connection, **row) for row in rows]


def _function(
    connection: psycopg.Connection[tuple[object, ...]],
    *,
    oid: int,
    name: str,
    comment: str,
    volatility: str,
    is_set: bool,
    is_single: bool,
    returns: str,
    composite: str | None,
) -> Function:
    with connection.cursor(row_factory=dict_row) as cursor:
        parts = cursor.execute(_ARGUMENTS, [oid]).fetchall()
    nullable = nullable_names(comment, [part["name"] for part in parts])
    arguments = tuple(
        Argument(
            part["name"],
            part["type"],
            part["default_sql"],
            part["name"] in nullable or (part["default_sql"] or "").startswith("NULL"),
        )
        for part in parts
        if part["mode"] in (None, "i")
    )
    table = tuple(
        Column(part["name"], part["type"], part["name"] in nullable) for part in parts if part["mode"] == "t"
    )
    row = None
    if composite is not None:
        row = _composite(connection, composite)
    elif table:
        row = Row(name if is_single else name.removesuffix("s"), "", table)
    return Function(name, comment, volatility, arguments, returns, row, is_set, is_set and is_single)


def _composite(connection: psycopg.Connection[tuple[object, ...]], name: str) -> Row:
    found = connection.execute(
        "SELECT obj_description(to_regtype('oeventdb.' || quote_ident(%s)), 'pg_type')", [name]
    ).fetchone()
    comment = str(found[0] or "") if found else ""
    with connection.cursor(row_factory=dict_row) as cursor:
        columns = cursor.execute(_COLUMNS, [name]).fetchall()
    said = nullable_names(comment, [column["name"] for column in columns])
    for column in columns:
        if "Nullable:" in comment or column["nullable"] is None:
            column["nullable"] = column["name"] in said
    return Row(name, comment, tuple(Column(**column) for column in columns))


def nullable_names(comment: str, names: Sequence[str]) -> frozenset[str]:
    """The names of which a comment says that they may be NULL.

    That is the sentence ``Nullable: a, b (why).`` if there is one. Otherwise they are the names
    that the word NULL follows in a sentence, with no other name between, as in "average is NULL
    without feedback" or "a and b NULL = unlimited"; what follows "Errors:" does not count.
    A function that "Never raises" takes NULL for any argument.
    """
    if "Never raises." in comment:
        return frozenset(names)
    explicit = re.search(r"\bNullable: ([^.]*)\.", comment)
    if explicit:
        listed = re.sub(r"\([^)]*\)", "", explicit[1])
        return frozenset(names) & frozenset(re.findall(r"\w+", listed))
    found: set[str] = set()
    word = "|".join(names) or "$."
    for sentence in re.split(r"(?<=[.])\s+", re.sub(r"(?s)\bErrors:.*", "", comment)):
        listed = rf"\b({word})\b(?:(?:, | and | or )({word})\b)*(?:(?!\b(?:{word})\b).)*?\bNULL\b"
        for match in re.finditer(listed, sentence, re.DOTALL):
            head = re.split(r"(?!, | and | or )[^\w\s,]|\bNULL\b", match[0])[0]
            found.update(name for name in names if re.search(rf"\b{name}\b", head))
    return frozenset(found)


def arguments(description: str | None) -> argparse.Namespace:
    """The command line of what is generated from a catalog."""
    options = parser(description)
    options.add_argument("--dsn", help="a migrated database; without it a fresh one is made")
    return options.parse_args()


@contextmanager
def migrated_database(dsn: str | None) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection to the database at dsn, or to a fresh migrated one on a server found or started."""
    if dsn is not None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection
        return
    import oeventdb.schema

    with find_postgres() as server:
        oeventdb.schema.migrate(server.dsn)
        with oeventdb.schema.connect(server.dsn) as connection:
            yield connection
