"""Lint the SQL with squawk, sqlfluff and pgspot; exit 1 where one of them finds something.

    python -m tools.lint_sql

squawk    locks and rewrites that would keep the clients of a live database waiting
sqlfluff  style; the frozen copies in migrations are left out, as their originals are read
pgspot    names that somebody else's schema or temporary objects could capture

What squawk and sqlfluff leave out stands in .squawk.toml and .sqlfluff, with the reasons.
squawk and sqlfluff see no body of a DO or a function; pgspot does, and so does plpgsql_check in
tests/lint.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from oeventdb.schema import frozen

ROOT = Path(__file__).resolve().parent.parent
MIGRATIONS = ROOT / "db" / "migrations"
STYLED = ("db/ledger.sql", "db/audit/*.sql", "db/procedures/*/*.sql", "bench/*.sql")

# Nobody but our functions uses what stands in oeventdb_internal, so nobody is kept waiting for it.
_OF_NOBODY_ELSE = re.compile(
    r"(?:DROP (?:TABLE|SEQUENCE|FUNCTION|PROCEDURE) IF EXISTS|CREATE (?:UNIQUE )?INDEX IF NOT EXISTS \w+ ON) oeventdb_internal\."
)

# Done twice it does nothing, so it needs no guard against a second run.
_REPEATABLE = re.compile(r"ALTER TABLE [\w.]+ (VALIDATE CONSTRAINT \w+|REPLICA IDENTITY FULL);")

# A rollback takes things away, in one transaction: it is documented to keep others waiting.
_OF_ROLLBACKS = re.compile(
    r"ban-drop-.*|require-concurrent-index-deletion|adding-foreign-key-constraint"
    r"|constraint-missing-not-valid|changing-column-type"
)

PGSPOT_IGNORED = {
    "PS007": "IF NOT EXISTS in schemas that nobody else may create objects in",
    "PS010": "only the database's owner could make schema oeventdb_internal before; `check` names another owner",
    "PS012": "IF NOT EXISTS, as PS007",
    "PS014": "IF NOT EXISTS, as PS007; the name of an index is its table's owner's",
}

# The runner empties search_path, and the temporary objects of its session are its own: for the
# caller's safety that is the same as this. It counts for whatever cannot pin a path itself.
_PINNED = "SET search_path = pg_catalog, pg_temp"
_CREATES = re.compile(
    r"^CREATE OR REPLACE (?P<kind>FUNCTION|PROCEDURE) .*?^AS (?P<mark>\$\w+\$)\n(?P<body>.*?)(?P=mark);",
    re.MULTILINE | re.DOTALL,
)
_ROW_VARIABLES = re.compile(
    r"^( +v_\w+) (?:oeventdb|oeventdb_internal|public)\.(?:\w+|\"\w+\")( :=|;)", re.MULTILINE
)


@dataclass(frozen=True)
class Finding:
    """What a linter says about a line of a file."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def run(tool: str, *arguments: str) -> str:
    """Return what a linter prints; raise SystemExit where it could not run."""
    program = Path(sys.executable).parent / tool
    if not program.exists():
        raise SystemExit(f"{tool} is not installed: pip install -e '.[dev]'")
    done = subprocess.run([program, *arguments], check=False, cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{tool} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def migrations() -> list[Path]:
    """Return the migrations in their order, without the rollbacks."""
    return sorted(path for path in MIGRATIONS.glob("*.sql") if not path.name.endswith(".rollback.sql"))


def rollbacks() -> list[Path]:
    """Return the rollbacks in the order in which they would run."""
    return sorted(MIGRATIONS.glob("*.rollback.sql"), reverse=True)


def is_transactional(script: str) -> bool:
    """Tell whether a script runs in one transaction."""
    return not re.search(r"^-- transactional: false$", script, re.MULTILINE)


def squawk() -> list[Finding]:
    """Return what squawk finds in migrations and rollbacks."""
    found: list[Finding] = []
    files = [*migrations(), *rollbacks()]
    for in_transaction in (True, False):
        chosen = [
            str(f.relative_to(ROOT))
            for f in files
            if is_transactional(f.read_text("utf-8")) == in_transaction
        ]
        options = ["--assume-in-transaction"] if in_transaction else []
        printed = run("squawk", "--config", ".squawk.toml", "--reporter", "json", *options, *chosen)
        for item in json.loads(printed or "[]"):
            line = (ROOT / item["file"]).read_text("utf-8").splitlines()[item["line"]]
            rule = item["rule_name"]
            if not is_answered(rule, line, rollback=item["file"].endswith(".rollback.sql")):
                found.append(Finding(item["file"], item["line"] + 1, f"squawk {rule}: {item['message']}"))
    return found


def is_answered(rule: str, line: str, *, rollback: bool) -> bool:
    """Tell whether the form of our migrations is the answer to a rule of squawk."""
    if rollback and _OF_ROLLBACKS.fullmatch(rule):
        return True
    if rule == "prefer-robust-stmts":
        return _REPEATABLE.fullmatch(line) is not None
    if rule.startswith("ban-drop-") or rule == "require-concurrent-index-creation":
        return _OF_NOBODY_ELSE.match(line) is not None
    return False


def without_copies(script: str) -> tuple[str, list[int]]:
    """Return a script without its frozen copies, and the number each line had before."""
    kept: list[tuple[int, str]] = []
    copied = [(b.start, b.end) for b in frozen.blocks(script)]
    offset = 0
    for number, line in enumerate(script.splitlines(keepends=True), start=1):
        marker = line.startswith(("-- >>> ", "-- <<<"))
        inside = any(start <= offset < end for start, end in copied)
        doubled = line == "\n" and (not kept or kept[-1][1] == "\n")
        if not (marker or inside or doubled):
            kept.append((number, line))
        offset += len(line)
    while kept and kept[-1][1] == "\n":
        kept.pop()
    return "".join(line for _, line in kept), [number for number, _ in kept]


def sqlfluff() -> list[Finding]:
    """Return what sqlfluff finds in everything but the frozen copies."""
    lines: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory() as directory:
        for path in MIGRATIONS.glob("*.sql"):
            text, numbers = without_copies(path.read_text("utf-8"))
            if text:
                copy = Path(directory, path.name)
                copy.write_text(text, "utf-8")
                lines[str(copy)] = numbers
        files = [str(path) for pattern in STYLED for path in sorted(ROOT.glob(pattern))]
        options = ("--config", ".sqlfluff", "--processes", "2", "--format", "json", "--nofail")
        printed = json.loads(run("sqlfluff", "lint", *options, *files, *lines))
    return [
        Finding(
            *place(item["filepath"], v["start_line_no"], lines), f"sqlfluff {v['code']}: {v['description']}"
        )
        for item in printed
        for v in item["violations"]
    ]


def place(file: str, line: int, lines: dict[str, list[int]]) -> tuple[str, int]:
    """Return the file and line in the checkout of what was linted in a copy."""
    if file in lines:
        return f"db/migrations/{Path(file).name}", lines[file][line - 1]
    return str(Path(file).relative_to(ROOT)), line


def pinned(script: str) -> str:
    """Return a script where the functions that forgo SET search_path for good reason have it.

    A procedure that commits may have no SET, and only the runner calls it; a SQL function that
    runs as its caller is inlined only without. Rows are called records, as pgspot's parser takes
    types it doesn't know for scalars, which have no fields.
    """

    def pin(match: re.Match[str]) -> str:
        head = match[0][: match.start("mark") - match.start()]
        commits = match["kind"] == "PROCEDURE" and re.search(r"\b(?:COMMIT;|CALL )", match["body"])
        is_inlined = "\nLANGUAGE sql\n" in head and "SECURITY DEFINER" not in head
        if "search_path" in head or not (commits or is_inlined):
            return match[0]
        return match[0].replace(f"\nAS {match['mark']}", f"\n{_PINNED}\nAS {match['mark']}", 1)

    return _ROW_VARIABLES.sub(r"\1 record\2", _CREATES.sub(pin, script))


def pgspot() -> list[str]:
    """Return what pgspot finds in everything that is run: ledger, migrations and rollbacks.

    They are read as one script, so that pgspot knows which schemas are our own. The migrations
    hold a copy of every file of db/procedures.
    """
    with tempfile.TemporaryDirectory() as directory:
        runner = Path(directory, "runner.sql")
        runner.write_text(_PINNED + ";\n", "utf-8")
        copies = [str(runner)]
        for path in [ROOT / "db" / "ledger.sql", *migrations(), *rollbacks()]:
            copy = Path(directory, path.name)
            copy.write_text(pinned(path.read_text("utf-8")), "utf-8")
            copies.append(str(copy))
        ignored = [f"--ignore={code}" for code in PGSPOT_IGNORED]
        printed = run("pgspot", "--append", *ignored, *copies).replace(f"{directory}/", "")
    found: list[str] = []
    file = ""
    for line in printed.splitlines():
        if re.fullmatch(r"\S+\.sql: ", line):
            file = line.strip()
        elif line.strip() and not re.match(r" ?(?:Errors|TOTAL:)", line):
            found.append(f"{file} pgspot {line}")
    return found


def main() -> int:
    """Run all three, print what they find."""
    found = [*map(str, squawk()), *map(str, sqlfluff()), *pgspot()]
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
