"""The blueprint: one connection and one transaction for each request, errors as documents."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from http import HTTPMethod
from typing import Any, TypeAlias

import psycopg
from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from oeventdb import Client
from oeventdb.connection import pin_search_path
from oeventdb.errors import Error
from oeventdb.flask import discount_codes, openapi, orders, people, problems, search, tickets
from oeventdb.flask.access import Policy, Users
from oeventdb.flask.negotiation import MEDIA_TYPE, is_acceptable, with_entity_tag
from oeventdb.flask.problems import Problem
from oeventdb.flask.requests import Asked, Route
from oeventdb.flask.search import Find

Connect: TypeAlias = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]
"""Lends a connection for one request, as ``ConnectionPool.connection`` does; outside of any transaction."""

METHODS = frozenset(map(str, HTTPMethod)) - {"HEAD", "OPTIONS"}

ROUTES: tuple[Route, ...] = (
    *tickets.ROUTES,
    *discount_codes.ROUTES,
    *people.ROUTES,
    *orders.ROUTES,
)


def blueprint(
    connect: Connect,
    *,
    users: Users,
    policy: Policy | None = None,
    find: Find | None = None,
    prefix: str = "/v1",
) -> Blueprint:
    """The routes under a prefix.

    ``users`` tells who is asking (see bearer_tokens), ``policy`` who may do what. ``find`` searches
    events, e.g. ``functools.partial(oeventdb.search.search, url)``; without it there is no search.
    """
    made = Blueprint("oeventdb", __name__, url_prefix=prefix)
    methods: dict[str, set[str]] = {}

    def add(method: str, path: str, endpoint: str, view: Callable[..., Response]) -> None:
        methods.setdefault(path, set()).add(method)
        made.add_url_rule(path, endpoint, view, methods=[method], provide_automatic_options=False)

    for route in ROUTES:
        view = _view(route, connect, users, policy or Policy(), prefix)
        add(route.method, route.path, route.handler.__name__, view)
    described = openapi.description(ROUTES, prefix, searchable=find is not None)
    add("GET", openapi.PATH, "openapi", lambda: jsonify(described))
    if find is not None:
        add("GET", search.PATH, "search_events", search.view(find))
    for path, allowed in methods.items():
        made.add_url_rule(
            path,
            endpoint=f"other_methods_{re.sub('[/.]', '_', path.strip('/'))}",
            view_func=_other_methods(allowed),
            methods=sorted(METHODS - allowed | {"OPTIONS"}),
            provide_automatic_options=False,
        )
    made.register_error_handler(Problem, problems.problem_response)
    made.register_error_handler(HTTPException, problems.http_response)
    return made


def _other_methods(allowed: set[str]) -> Callable[..., Response]:
    """Flask would say that a path allows these, too: it has a rule for them."""
    said = sorted(allowed | {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set()))

    def view(**_: Any) -> Response:
        if request.method == "OPTIONS":
            return Response(headers={"Allow": ", ".join(said)})
        raise MethodNotAllowed(said)

    return view


def _view(
    route: Route, connect: Connect, users: Users, policy: Policy, prefix: str
) -> Callable[..., Response]:
    def view(**variables: Any) -> Response:
        if not is_acceptable(request):
            raise Problem(406, f"only {MEDIA_TYPE} is served here", header="Accept")
        user = users(request)
        try:
            with connect() as connection, connection.transaction():
                pin_search_path(connection)
                asked = Asked(request, connection, Client(connection), user, policy, prefix)
                response = route.handler(asked, **variables)
        except Error as exc:
            return problems.refusal_response(exc, route.pointers)
        except psycopg.OperationalError as exc:
            raise Problem(503, "the database cannot be reached; try again") from exc
        except psycopg.errors.ReadOnlySqlTransaction as exc:  # of a standby, for one
            raise Problem(503, "the database takes no writes now; try again") from exc
        return with_entity_tag(response, request)

    return view
