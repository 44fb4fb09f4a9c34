"""Every path says which methods it has, and answers the others in JSON:API."""

from __future__ import annotations

from http import HTTPMethod
from typing import TYPE_CHECKING, NoReturn

import flask
import pytest

import oeventdb.flask
from oeventdb.flask import openapi, search
from oeventdb.flask.routes import ROUTES
from tests.flask.http import KEY, Api, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg_pool import ConnectionPool

PATHS = sorted({route.path for route in ROUTES} | {openapi.PATH, search.PATH})


@pytest.fixture(scope="module")
def searching(pool: ConnectionPool) -> Iterator[Api]:
    """Requests to an application with every route."""

    def find(query: str, *, limit: int, offset: int) -> NoReturn:
        raise AssertionError(query, limit, offset)

    app = flask.Flask(__name__)
    users = oeventdb.flask.bearer_tokens(KEY)
    app.register_blueprint(oeventdb.flask.blueprint(pool.connection, users=users, find=find))
    with served(app) as api:
        yield api


@pytest.mark.parametrize("path", PATHS)
def test_a_path_has_the_methods_that_it_says(searching: Api, path: str) -> None:
    has = {route.method for route in ROUTES if route.path == path} or {"GET"}
    says = has | {"OPTIONS"} | ({"HEAD"} if "GET" in has else set())
    answer = searching("OPTIONS", f"/v1{path}")
    assert answer.status_code == 200
    assert set(answer.headers["Allow"].split(", ")) == says
    for method in set(HTTPMethod) - has - {"HEAD", "OPTIONS"}:
        answer = searching(method, f"/v1{path}")
        assert (answer.status_code, answer.errors[0]["status"]) == (405, "405")
        assert set(answer.headers["Allow"].split(", ")) == says
