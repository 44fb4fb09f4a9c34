"""One fingerprint per table, of its rows and of its shape, to compare databases by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql


def rows(
    connection: psycopg.Connection[Any],
    tables: Iterable[str],
    schema: str = "public",
    *,
    without: tuple[str, ...] = (),
) -> dict[str, str]:
    """The number of rows of each table and a digest of all of them, whatever the order of rows or columns.

    Columns can be left out.
    """
    found: dict[str, str] = {}
    for table in tables:
        row = connection.execute(
            sql.SQL(
                "SELECT count(*) || ' ' || coalesce(md5(string_agg(hash, '' ORDER BY hash)), '-')"
                " FROM (SELECT md5((to_jsonb(t.*) - {}::text[])::text) AS hash FROM {} AS t) AS hashes"
            ).format(sql.Literal(list(without)), sql.Identifier(schema, table))
        ).fetchone()
        assert row is not None
        found[table] = row[0]
    return found


def shape(connection: psycopg.Connection[Any], tables: Iterable[str]) -> list[str]:
    """The columns, constraints, indexes and triggers of the tables, in words, whatever their order."""
    found: list[str] = []
    for table in tables:
        lines = connection.execute(
            """
            SELECT format('column %%s %%s%%s%%s', a.attname, format_type(a.atttypid, a.atttypmod),
                          CASE WHEN a.attnotnull THEN ' NOT NULL' END,
                          ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid))
            FROM pg_attribute a
            LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = %(table)s::regclass AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL
            SELECT format('constraint %%s %%s', conname, pg_get_constraintdef(oid))
            FROM pg_constraint WHERE conrelid = %(table)s::regclass AND contype <> 'n'
            UNION ALL
            SELECT format('index %%s', pg_get_indexdef(indexrelid)) FROM pg_index WHERE indrelid = %(table)s::regclass
            UNION ALL
            SELECT format('trigger %%s', pg_get_triggerdef(oid))
            FROM pg_trigger WHERE tgrelid = %(table)s::regclass AND NOT tgisinternal
            ORDER BY 1
            """,
            {"table": f'public."{table}"'},
        ).fetchall()
        found += [f"{table}: {line[0]}" for line in lines]
    return found
