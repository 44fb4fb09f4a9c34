"""What every file of the repository keeps to, beyond what the linters check."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
GENERATED = re.compile(r"^(?:#|\"\"\"|--).*\bgenerated\b", re.IGNORECASE | re.MULTILINE)

BINARY = {".ndjson", ".lock"}

LEFTOVERS = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b")
PRIVATE_PATHS = re.compile(r"/(?:wo" + r"rk|ro" + r"ot)/")


def tracked() -> list[Path]:
    """Return the files under version control, or all of a source archive's."""
    done = subprocess.run(["git", "ls-files", "-z"], check=False, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("not a checkout")
    names = [name for name in done.stdout.split("\0") if name]
    return [path for name in names if (path := ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    """Return every tracked text file and its content."""
    return [(path, path.read_text("utf-8")) for path in tracked() if path.suffix not in BINARY]


def python() -> list[tuple[Path, str]]:
    """Return every tracked Python file and its content."""
    return [(path, text) for path, text in texts() if path.suffix == ".py"]


def named(path: Path) -> str:
    """Return a path as people write it."""
    return str(path.relative_to(ROOT))


def test_no_file_is_longer_than_a_person_reads_in_one_go() -> None:
    too_long = {
        named(path): lines
        for path, text in texts()
        if path.suffix in {".py", ".sql"} and not path.is_relative_to(ROOT / "db" / "migrations")
        if (lines := text.count("\n")) > LONGEST_FILE and not GENERATED.search(text[:500])
    }
    assert too_long == {}


def test_no_function_is_longer_than_a_screen() -> None:
    too_long = {
        f"{named(path)}:{node.name}": length
        for path, text in python()
        if "tests" not in path.parts and not GENERATED.search(text[:500])
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert too_long == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        named(path) for path, text in python() if text.strip() and not ast.get_docstring(ast.parse(text))
    ]
    assert silent == []


@pytest.mark.parametrize("pattern", [LEFTOVERS, PRIVATE_PATHS], ids=["leftovers", "private paths"])
def test_nothing_unfinished_or_private_is_left(pattern: re.Pattern[str]) -> None:
    found = {named(path): match.group() for path, text in texts() if (match := pattern.search(text))}
    assert found == {}


def test_every_text_file_ends_with_one_newline_and_has_no_trailing_space() -> None:
    untidy = [
        named(path)
        for path, text in texts()
        if text
        and (not text.endswith("\n") or text.endswith("\n\n") or re.search(r"[ \t]+$", text, re.MULTILINE))
    ]
    assert untidy == []


def test_sql_means_the_same_whether_or_not_strings_conform_to_the_standard() -> None:
    # with standard_conforming_strings off, which any session may set, a backslash escapes in every string
    found = {
        f"{named(path)}: {string.group()}"
        for path, text in texts()
        if path.suffix == ".sql"
        for string in re.finditer(r"(?<![\w'])'(?:[^']|'')*'", re.sub(r"--.*", "", text))
        if "\\" in string.group()
    }
    assert found == set()


def test_sql_names_a_whole_row_by_its_star() -> None:
    # a column with the name of the alias, which any table may have, would be taken for it
    found = {
        f"{named(path)}: {whole_row.group()}"
        for path, text in texts()
        if path.suffix == ".sql"
        for whole_row in re.finditer(r"\w+\([a-z]\)|SELECT [a-z] AS.*", text)
    }
    assert found == set()


def test_production_code_imports_servers_only_for_embedded_dsns() -> None:
    importing = {
        named(path)
        for path, text in python()
        if path.is_relative_to(ROOT / "oeventdb")
        and not path.is_relative_to(ROOT / "oeventdb" / "servers")
        and not path.is_relative_to(ROOT / "oeventdb" / "demo")
        and re.search(r"^\s*(?:from|import) oeventdb\.servers", text, re.MULTILINE)
    }
    assert importing <= {"oeventdb/connection.py", "oeventdb/cli/demo.py"}
