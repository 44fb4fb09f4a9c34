"""The reference page of the tables, from the catalog of a migrated database."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import psycopg

from tools.docs_diagram import Entity, Reference, diagram

MANIFEST = Path(__file__).resolve().parent.parent / "db" / "manifest.json"

INTRODUCTION = """\
# Tables

The tables of schema `public` are Open Event's own. Shown are their keys, what oeventdb adds to them, changes or drops, and
every constraint; the columns that are not named are as Open Event made them. Schema `oeventdb_internal` belongs to oeventdb:
read it if you like, write to it never.

This page is generated from the catalog of a migrated database by `make docs`.

## How they hang together

The tables in which the rules live, with their keys. A line goes from the one row that is referred to, to the many that
refer to it; a circle says that they need not. An admission is what a holder holds: there are as many rows of it as the
ticket's quantity, or fewer while a large ticket has not been opened to its end.
"""

INTERNAL = """\

## Tables of oeventdb

In schema `oeventdb_internal`. Applications need no privilege on them.
"""

DIAGRAMS = {
    "Seats and orders": (
        "public.events",
        "public.tickets",
        "oeventdb_internal.admissions",
        "public.ticket_holders",
        "public.orders",
        "public.orders_tickets",
    ),
    "Codes": (
        "public.tickets",
        "public.discount_codes",
        "public.access_codes",
        "public.access_codes_tickets",
        "public.orders",
    ),
}

_COMMENTS = """
SELECT n.nspname || '.' || c.relname || coalesce('.' || a.attname, ''), d.description
FROM pg_description AS d
JOIN pg_class AS c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
WHERE n.nspname IN ('public', 'oeventdb_internal')
"""

_FOREIGN_KEY = re.compile(r"FOREIGN KEY \(([^)]*)\) REFERENCES (?:(\w+)\.)?(\w+)\(([^)]*)\)")


def tables_page(connection: psycopg.Connection[tuple[object, ...]]) -> str:
    """The entity diagram, Open Event's tables with what is added, and the internal ones."""
    manifest = json.loads(MANIFEST.read_text("utf-8"))
    tables = _by_table(manifest["objects"])
    legacy = {item["object"]: item["type"] for item in manifest["legacy"] if item["kind"] == "column"}
    comments = {str(name): str(text) for name, text in connection.execute(_COMMENTS).fetchall()}
    public = sorted(name for name in tables if name.startswith("public."))
    internal = sorted(name for name in tables if name.startswith("oeventdb_internal."))
    parts = [INTRODUCTION]
    parts += [f"### {title}\n\n{_diagram(title, tables, names)}" for title, names in DIAGRAMS.items()]
    parts += ["## Tables of Open Event\n"]
    parts += [_section(name, tables[name], comments, legacy) for name in public]
    parts.append(INTERNAL)
    parts += [_section(name, tables[name], comments, {}) for name in internal]
    return "\n".join(parts)


def _by_table(objects: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """What the manifest has of each table: {table: {kind/name: object}}."""
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for item in objects:
        name = str(item["object"])
        if item["kind"] in ("column", "constraint", "trigger"):
            schema, table, own = name.split(".", 2)
            found[f"{schema}.{table}"][f"{item['kind']}/{own}"] = item
    return found


def _of_kind(table: dict[str, dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {key.partition("/")[2]: item for key, item in table.items() if key.startswith(f"{kind}/")}


def _keys(table: dict[str, dict[str, Any]]) -> dict[str, set[str]]:
    """The columns of primary and foreign keys: {column: {"PK", "FK"}}."""
    keys: dict[str, set[str]] = defaultdict(set)
    for item in _of_kind(table, "constraint").values():
        for kind, mark in (("PRIMARY KEY", "PK"), ("FOREIGN KEY", "FK")):
            if match := re.match(rf"{kind} \(([^)]*)\)", item["definition"]):
                for column in match[1].split(", "):
                    keys[column].add(mark)
    return keys


def _diagram(title: str, tables: dict[str, dict[str, dict[str, Any]]], names: tuple[str, ...]) -> str:
    """Tables with their keys, and which of them refers to which."""
    drawn = {name.partition(".")[2]: name for name in names}
    entities, references = [], []
    for short, name in drawn.items():
        columns = _of_kind(tables[name], "column")
        used: set[str] = set()
        for constraint in _of_kind(tables[name], "constraint").values():
            match = _FOREIGN_KEY.match(constraint["definition"])
            if match and match[3] in drawn:
                own = match[1].split(", ")
                used.update(own)
                optional = any(columns[column]["nullable"] == "null" for column in own)
                references.append(Reference(match[3], short, own[-1], optional))
        keys = sorted(_keys(tables[name]).items(), key=lambda item: ("PK" not in item[1], item[0]))
        marks = {
            column: " ".join(sorted(kinds, reverse=True))
            for column, kinds in keys
            if "PK" in kinds or column in used
        }
        entities.append(Entity(short, marks))
    return diagram(title, entities, references)


def _short(type_: str) -> str:
    """A type by the shorter of its names."""
    return type_.replace("timestamp with time zone", "timestamptz").replace("character varying", "varchar")


def _section(
    name: str, table: dict[str, dict[str, Any]], comments: dict[str, str], legacy: dict[str, str]
) -> str:
    keys = _keys(table)
    lines = [f"### {name.partition('.')[2]}", ""]
    if name in comments:
        lines += [comments[name], ""]
    rows = []
    columns = _of_kind(table, "column")
    for column, item in columns.items():
        former = legacy.get(f"{name}.{column}")
        if former != item["type"] or column in keys:
            mark = ", ".join(sorted(keys[column], reverse=True))
            if legacy and former != item["type"]:
                mark = "changed" if former else "added"
            meaning = _cell(comments.get(f"{name}.{column}", ""))
            null = "no" if item["nullable"] == "not null" else "yes"
            rows.append(f"| `{column}` | `{_short(item['type'])}` | {null} | {mark} | {meaning} |")
    lines += ["| column | type | NULL | | meaning |", "| --- | --- | --- | --- | --- |", *rows, ""]
    former_columns = (old.removeprefix(f"{name}.") for old in legacy if old.startswith(f"{name}."))
    dropped = ", ".join(f"`{old}`" for old in former_columns if old not in columns)
    lines += [f"Dropped: {dropped}.", ""] if dropped else []
    constraints = _of_kind(table, "constraint")
    if constraints:
        lines += ["| constraint | definition |", "| --- | --- |"]
        lines += [
            f"| `{own}` | `{_cell(constraints[own]['definition'])}` |"
            for own in sorted(constraints, key=lambda own: (constraints[own]["definition"][:5], own))
        ]
        lines += [""]
    triggers = ", ".join(f"`{own}`" for own in sorted(_of_kind(table, "trigger")))
    if triggers:
        lines += [f"Triggers: {triggers}.", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
