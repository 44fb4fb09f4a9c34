"""Generate the reference pages that restate the code: ``make docs``.

``docs/reference/errors.md`` comes from the registry in ``oeventdb/errors.py``,
``functions.md`` and ``tables.md`` from the catalog of a migrated database, ``commands.md`` from
the command line, ``audit.md`` from ``db/audit``. ``--check`` writes nothing and fails if a page
differs from what would be written.
"""

from __future__ import annotations

import re
import textwrap

from oeventdb.errors import CONSTRAINTS, ERRORS, Error
from tools import catalog
from tools.catalog import Function, Row
from tools.docs_audit import audit_page
from tools.docs_commands import commands_page
from tools.docs_tables import tables_page
from tools.generate_client import camel
from tools.generated import ROOT, put

PAGES = ROOT / "docs" / "reference"
PROCEDURES = ROOT / "db" / "procedures"

DOMAINS = {
    "ratings": "Ratings",
    "holders": "Ticket holders",
    "discount_codes": "Discount codes",
    "tickets": "Ticket lists",
    "selling": "Selling",
    "search": "Search",
}

ERRORS_INTRODUCTION = """\
# Errors

A rule refuses in one of two ways. A function raises an SQLSTATE of class `OE`, with a JSON object
of machine keys as its DETAIL and a sentence for people as its HINT. A raw `INSERT`, `UPDATE` or
`DELETE` may instead meet a constraint: an SQLSTATE of class 23 and the constraint's name. The
Python client turns both into the same exception, a subclass of `oeventdb.Error` with `.sqlstate`
(always of class `OE`), `.detail`, `.hint` and `.constraint`; where a constraint refused, the hint is its rule. For raw statements,
`with oeventdb.translated():` does the same.

Never read the message to tell errors apart: its words may change, the codes may not.

This page is generated from the registry in `oeventdb/errors.py` by `make docs`.
"""

FUNCTIONS_INTRODUCTION = """\
# SQL functions

What applications call. Name the arguments: `SELECT * FROM oeventdb.event_tickets(event_id => 1)`.
Arguments with a default may be left out. A role needs nothing but `EXECUTE` on these functions:
`oeventdb grant app ROLE` gives just that. Every error is explained on the page
[Errors](errors.md).

This page is generated from the functions' comments by `make docs`: edit
`db/procedures` instead.
"""


def main() -> None:
    """Write the pages, or with --check compare them."""
    options = catalog.arguments(__doc__)
    with catalog.migrated_database(options.dsn) as connection:
        texts = {
            "functions.md": functions_page(catalog.functions(connection)),
            "tables.md": tables_page(connection),
        }
    texts |= {"audit.md": audit_page(), "commands.md": commands_page(), "errors.md": errors_page()}
    put({PAGES / page: text for page, text in texts.items()}, check=options.check, target="docs")


def errors_page() -> str:
    """The codes, each with what happened and what to do, and the constraints behind them."""
    overview = [
        "| SQLSTATE | name | exception | what happened |",
        "| --- | --- | --- | --- |",
    ]
    overview += [
        f"| [{code}](#{code.lower()}) | {error.name()} | `{error.__name__}` | {happened(error)[0]} |"
        for code, error in sorted(ERRORS.items())
    ]
    sections = [error_section(code, error) for code, error in sorted(ERRORS.items())]
    constraints = ["## Constraints", ""]
    constraints += ["| constraint | table | rule | error |", "| --- | --- | --- | --- |"]
    constraints += [
        f"| `{c.name}` | {c.table} | {c.rule} | [{c.error.sqlstate}](#{c.error.sqlstate.lower()}) |"
        for c in sorted(CONSTRAINTS.values(), key=lambda c: (c.table, c.name))
    ]
    return "\n".join([ERRORS_INTRODUCTION, "\n".join(overview), "", *sections, "\n".join(constraints), ""])


def happened(error: type[Error]) -> tuple[str, str, str]:
    """From the docstring: what happened, what to do, and the rest."""
    summary, _, rest = (error.__doc__ or "").partition("\n")
    what, _, remedy = summary.strip().partition(": ")
    return what, remedy, " ".join(rest.split()).replace("``", "`")


def error_section(code: str, error: type[Error]) -> str:
    """One error in full."""
    what, remedy, rest = happened(error)
    explanation, _, keys = rest.partition("Detail: ")
    lines = [f"## {code}", "", f"**{error.name()}** · `oeventdb.{error.__name__}`", ""]
    lines += [textwrap.fill(f"{what}. {explanation}".strip(), 100), ""]
    lines += [f"What to do: {remedy}", ""]
    if keys:
        lines += [f"DETAIL: {keys}", ""]
    names = sorted(f"`{c.name}`" for c in CONSTRAINTS.values() if c.error is error)
    if names:
        lines += [f"A raw write meets it as the constraint {', '.join(names)}.", ""]
    return "\n".join(lines)


def functions_page(functions: list[Function]) -> str:
    """The functions by domain, each with its arguments, its result and its comment."""
    sections = [FUNCTIONS_INTRODUCTION]
    for domain, title in DOMAINS.items():
        names = {path.stem for path in (PROCEDURES / domain).glob("*.sql")}
        of_domain = [f for f in functions if f.name in names]
        if of_domain:
            sections += [f"## {title}\n", *(function_section(f) for f in of_domain)]
    rows = {f.row.name: f.row for f in functions if f.row and f.row.comment}
    sections += ["## Rows\n", *(row_section(rows[name]) for name in sorted(rows))]
    return "\n".join(sections)


def function_section(function: Function) -> str:
    """One function."""
    arguments = ",\n".join(
        f"    {a.name} {a.type}" + ("" if a.default is None else f" DEFAULT {plain(a.default)}")
        for a in function.arguments
    )
    signature = f"{function.name}(\n{arguments}\n)" if arguments else f"{function.name}()"
    parts = [f"### {function.name}", f"```sql\noeventdb.{signature}\n```", linked(function.comment)]
    parts.append(f"Returns {result(function)}.")
    return "\n\n".join(parts) + "\n"


def result(function: Function) -> str:
    """The result in words."""
    if function.row is None:
        return f"`{function.returns}`"
    if function.row.comment:
        row = f"[`{function.row.name}`](#row-{function.row.name})"
    else:
        row = "(" + ", ".join(f"{c.name} `{c.type}`" for c in function.row.columns) + ")"
    return f"one row: {row}" if function.is_single else f"rows: {row}"


def row_section(row: Row) -> str:
    """One row type."""
    lines = [f"### Row: {row.name}", "", linked(row.comment), ""]
    lines += [f"In Python `oeventdb.rows.{camel(row.name)}`.", ""]
    lines += ["| column | type | NULL |", "| --- | --- | --- |"]
    lines += [f"| {c.name} | `{c.type}` | {'may be' if c.nullable else 'never'} |" for c in row.columns]
    return "\n".join(lines) + "\n"


def plain(default: str) -> str:
    """A default without the type that the catalog appends."""
    return re.sub(r"::[a-z ]+(?:\[\])?$", "", default)


def linked(comment: str) -> str:
    """A comment with its error codes linked, wrapped, and the errors as a paragraph of their own."""
    comment = re.sub(r"\s*\bNullable: [^.]*\.", "", comment)
    comment = re.sub(r"\s*\bErrors: ", "\n\nErrors: ", comment)
    paragraphs = [textwrap.fill(" ".join(p.split()), 100) for p in re.split(r"\n\s*\n", comment)]
    return re.sub(r"\bOE\d{3}\b", lambda m: f"[{m[0]}](errors.md#{m[0].lower()})", "\n\n".join(paragraphs))


if __name__ == "__main__":
    main()
