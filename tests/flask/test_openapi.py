"""The OpenAPI description is valid, names every route, and schemathesis finds no answer it forbids."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from oeventdb.flask import openapi
from oeventdb.flask.routes import ROUTES
from tests.flask.http import bearer

if TYPE_CHECKING:
    import flask

    from oeventdb.flask.requests import Route
    from tests.flask.conftest import Scene
    from tests.flask.http import Api

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.handler.__name__)
def test_answers_are_as_described(route: Route, api: Api, scene: Scene) -> None:
    schema = schemathesis.openapi.from_url(f"{api.url}/v1/openapi.json")
    operation = schema["/v1" + re.sub(r"<(\w+)>", r"{\1}", route.path)][route.method]
    headers = bearer(scene.staff)

    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS)

    check()


def test_every_route_is_described(app: flask.Flask) -> None:
    paths = app.test_client().get("/v1/openapi.json").get_json()["paths"]
    described = {(method.upper(), path) for path, item in paths.items() for method in item}
    assert len(described) == len(ROUTES)
    operations = [operation for item in paths.values() for operation in item.values()]
    assert all(operation["summary"].endswith(".") for operation in operations)


def test_every_get_is_described_with_the_entity_tags_that_it_takes() -> None:
    for path, item in openapi.description(ROUTES, "/v1", searchable=True)["paths"].items():
        if "get" in item:
            named = {parameter["name"] for parameter in item["get"]["parameters"]}
            assert {"If-Match", "If-None-Match"} <= named, path
            assert {"304", "412"} <= item["get"]["responses"].keys(), path


def test_routes_are_described_without_docstrings_too() -> None:
    script = "import oeventdb.flask as f; print(f.blueprint(None, users=None).name)"
    done = subprocess.run(
        [sys.executable, "-B", "-OO", "-c", script], check=False, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("oeventdb\n", "")
