"""Run the examples of a page through the three doors, each on a shop of its own."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import time
from typing import TYPE_CHECKING, Any

import flask
import jwt
import psycopg

import oeventdb
import oeventdb.flask
from tests.docs import reading

if TYPE_CHECKING:
    from pathlib import Path

KEY = "a key of the documentation's tests"
USERS = {"ADA": "1", "BOB": "2"}
_SETTINGS = "".join(
    reading.statements(block.text) for block in reading.blocks(reading.DOCS / "rules" / "index.md")
)


def run(door: str, block: reading.Block, dsn: str, names: dict[str, Any], psql: Path) -> None:
    """Run a block and compare what comes of it with what the page says."""
    if door == "psql":
        assert _psql(block.text, dsn, psql) == reading.answers(block.text)
    elif door == "Python":
        assert _python(block.text, names) == reading.printed(block.text)
    else:
        _http(block.text, dsn)


def names(dsn: str) -> dict[str, Any]:
    """What the Python examples take for granted."""
    connection = psycopg.connect(dsn, autocommit=True)
    return {"oeventdb": oeventdb, "connection": connection, "client": oeventdb.Client(connection)}


def _psql(session: str, dsn: str, psql: Path) -> str:
    done = subprocess.run(
        [psql, "--no-psqlrc", f"--dbname={dsn}"],
        input=_SETTINGS + reading.statements(session),
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    said = (line.rstrip() for line in done.stdout.splitlines())
    return "\n".join(line for line in said if line and not line.startswith("LOCATION:"))


def _python(code: str, known: dict[str, Any]) -> list[str]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "<page>", "exec"), known)  # noqa: S102
    return output.getvalue().splitlines()


def _http(exchange: str, dsn: str) -> None:
    request, _, response = exchange.partition("\nHTTP/1.1 ")
    head, _, body = request.partition("\n\n")
    (method, target), *lines = (line.split(" ", 1) for line in head.splitlines())
    headers = {name.rstrip(":"): _token(value) for name, value in lines}
    with psycopg.connect(dsn, autocommit=True) as connection:
        given = _application(connection).test_client().open(target, method=method, headers=headers, data=body)
    status, _, document = response.partition("\n")
    assert (given.status, given.get_json(force=True) if document else None) == (
        status,
        _merged(document, given),
    )


def _merged(document: str, given: Any) -> Any:
    """What was answered, if the page tells nothing else; a page may leave members out."""
    if not document:
        return None
    expected, actual = json.loads(document), given.get_json(force=True)
    return actual if _within(expected, actual) else expected


def _within(expected: Any, actual: Any) -> bool:
    if isinstance(expected, dict) and isinstance(actual, dict):
        return all(key in actual and _within(value, actual[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(_within, expected, actual))
    return bool(expected == actual)


def _token(value: str) -> str:
    def signed(name: re.Match[str]) -> str:
        return jwt.encode({"sub": USERS[name[0]], "exp": time.time() + 60}, KEY, algorithm="HS256")

    return re.sub(r"\b(?:ADA|BOB)$", signed, value)


def _application(connection: psycopg.Connection[Any]) -> flask.Flask:
    made = flask.Flask("shop")
    users = oeventdb.flask.bearer_tokens(KEY)
    made.register_blueprint(oeventdb.flask.blueprint(lambda: contextlib.nullcontext(connection), users=users))
    return made
