"""A database in LATIN1, asked over connections in UTF-8 for what no text in it can be."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from oeventdb import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oeventdb.servers.postgres import Postgres
    from tests.flask.conftest import Scene
    from tests.flask.http import Api

NAME = "oeventdb_test_flask_latin1"
TEXT = quote("日本")


@pytest.fixture(scope="module")
def dsn(postgres: Postgres) -> Iterator[str]:
    """A migrated database in LATIN1; its connections are in UTF-8."""
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {NAME} ENCODING LATIN1 LOCALE 'C' TEMPLATE template0")
        made = make_conninfo(postgres.dsn, dbname=NAME, client_encoding="UTF8")
        schema.migrate(made)
        yield made
        connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def test_it_names_nothing(api: Api, scene: Scene) -> None:
    assert scene.event
    for path in (f"/events/{TEXT}/tickets", f"/events/{TEXT}/feedback/summary", f"/orders/{TEXT}/tickets"):
        assert api.get(f"/v1{path}").status_code == 404


def test_an_access_code_of_it_is_a_wrong_one(api: Api, scene: Scene) -> None:
    path = f"/v1/access-codes/{scene.access_code}/tickets?code="
    for code, user, expected in (
        (TEXT, None, []),
        ("%00", None, []),
        ("bacKdoor", None, [str(scene.hidden)]),
        (TEXT, scene.organizer, [str(scene.hidden)]),
    ):
        answer = api.get(path + code, user=user)
        assert (answer.status_code, [row["id"] for row in answer.document["data"]]) == (200, expected)
