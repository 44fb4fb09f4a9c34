"""The generated files say what the catalog says, and the check notices when they do not."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import AsyncClient, Client
from tools.catalog import nullable_names

if TYPE_CHECKING:
    from collections.abc import Iterator


def _check(tool: str, dsn: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"tools.{tool}", "--check", "--dsn", dsn],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("tool", ["generate_client", "generate_docs"])
def test_what_is_generated_is_up_to_date(tool: str, dsn: str) -> None:
    result = _check(tool, dsn)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("tool", ["generate_client", "generate_docs"])
def test_the_check_names_what_is_stale(tool: str, migrated: str) -> None:
    with psycopg.connect(migrated) as connection:
        connection.execute("COMMENT ON FUNCTION oeventdb.update_rating(text) IS 'Something else.'")
    result = _check(tool, migrated)
    assert result.returncode == 1
    assert '+        """Something else."""' in result.stderr or "+Something else." in result.stderr
    assert "Traceback" not in result.stderr


def test_both_clients_have_the_same_methods() -> None:
    def signatures(client: type) -> Iterator[tuple[str, str, str | None]]:
        for name, method in inspect.getmembers(client, inspect.isfunction):
            if not name.startswith("_"):
                yield name, str(inspect.signature(method)), method.__doc__

    assert list(signatures(Client)) == list(signatures(AsyncClient))


def test_there_is_a_method_for_every_function(db: psycopg.Connection) -> None:
    functions = db.execute(
        "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'oeventdb'::regnamespace"
    ).fetchall()
    methods = {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")}
    assert methods == {name for (name,) in functions}


@pytest.mark.parametrize(
    ("comment", "nullable"),
    [
        ("A row.", set()),
        ("Nullable: a, c (unlimited).", {"a", "c"}),
        ("The a, then b (0 to 5; NULL without feedback) and c.", {"b"}),
        ("quantities: a and b NULL = unlimited", {"a", "b"}),
        ("The a. Errors: OE400 b NULL.", set()),
        ("Reads a, b. Never raises.", {"a", "b", "c"}),
    ],
)
def test_what_may_be_null_is_read_from_the_comment(comment: str, nullable: set[str]) -> None:
    assert nullable_names(comment, ["a", "b", "c"]) == nullable
