"""The reference page of the audit, from the queries in db/audit."""

from __future__ import annotations

from pathlib import Path

AUDIT = Path(__file__).resolve().parent.parent / "db" / "audit"

INTRODUCTION = """\
# Audit rules

What `oeventdb audit` looks for. Each rule is one read-only query in `db/audit`, which runs on a database that has never
been migrated as well as on a migrated one, and returns the keys of the rows that break the rule.

This page is generated from the first lines of those files by `make docs`.

| rule | table | what must hold |
| --- | --- | --- |
"""


def audit_page() -> str:
    """Every rule by name, with its table, its sentence and what its file says of the keys."""
    return INTRODUCTION + "".join(_row(path) for path in sorted(AUDIT.glob("*.sql")))


def _row(path: Path) -> str:
    comment = []
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("--"):
            break
        comment.append(line.removeprefix("--").strip())
    rule, table = comment[0], comment[1].removeprefix("table:").strip()
    return f"| `{path.stem}` | {table} | {rule} |\n"
