"""Injection through every argument of every route: taken as text or refused, never run, never a 5xx."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import flask
import pytest
from psycopg_pool import ConnectionPool

import oeventdb.flask
from oeventdb.flask.routes import ROUTES
from tests.flask.http import KEY, bearer, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from oeventdb.flask.requests import Route
    from tests.flask.conftest import Scene
    from tests.flask.http import Api

HOSTILE = [
    "'; DROP TABLE public.tickets; --",
    '1 OR 1=1" UNION SELECT _password FROM users; SELECT pg_sleep(30) --',
    "%(id)s %s {0.__class__} ${jndi:x} {{7*7}} $$; \\u0000\\'",
    "a\x00\r\nSet-Cookie: a=b",
    "..\\..\\etc <script>alert(1) \u202e\U0001f3ab",
    "9" * 5000,
]
PARAMETERS = ["page[number]", "page[size]", "sort", "fields[ticket]", "code", "'; --"]


def _requests(route: Route, scene: Scene, text: str) -> Iterator[tuple[str, dict[str, str], Any]]:
    """The route with the text at each place in turn: path, query and headers, body."""
    path = _path(route, scene)
    body = _body(route, scene)
    if "<" in route.path:
        yield _path(route, scene, text), {}, body
    for name in PARAMETERS if route.method == "GET" else ():
        yield f"{path}?{urlencode({name: text})}", {}, body
    header = re.sub(r"[^!-~]", "?", text)[:200]
    for name in ("If-None-Match",) if route.method == "GET" else ("If-Match", "Idempotency-Key"):
        yield path, {name: header}, body
    for place in _places(body):
        yield path, {}, _with(body, place, text)


def _path(route: Route, scene: Scene, text: str | None = None) -> str:
    names = {
        "/events/<event>": scene.event,
        "/ticket-tags/<tag>": scene.tag,
        "/access-codes/<code>": scene.access_code,
        "/discount-codes/<code>": scene.code,
        "/orders/<identifier>": scene.order,
    }
    for start, reference in names.items():
        if route.path.startswith(start):
            head, _, tail = route.path.partition("<")
            given = str(reference) if text is None else text
            return f"/v1{head}{quote(given, safe='')}{tail.partition('>')[2]}"
    return f"/v1{route.path}"


def _body(route: Route, scene: Scene) -> Any:
    if route.method == "GET":
        return None
    if "relationships" in route.path:
        return {"data": [{"type": "ticket", "id": str(scene.ticket)}]}
    line = {"ticket-id": scene.ticket, "quantity": 1, "holders": [{"firstname": "A", "lastname": "B"}]}
    attributes: dict[str, dict[str, Any]] = {
        "/feedbacks": {"rating": "4", "comment": "fine"},
        "/attendees": {"firstname": "Ada", "lastname": "Lovelace", "email": "ada@example.org"},
        "/orders": {"email": "a@example.org", "discount-code": "", "access-code": "", "lines": [line]},
    }
    related = {"event": scene.event, "ticket": scene.ticket, "user": scene.staff}
    return {
        "data": {
            "type": route.path[1:-1],
            "attributes": attributes[route.path],
            "relationships": {
                name: {"data": {"type": name, "id": str(id_)}} for name, id_ in related.items()
            },
        }
    }


def _places(body: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to each member of a document."""
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, item in items:
        yield (*above, key)
        yield from _places(item, (*above, key))


def _with(body: Any, place: tuple[Any, ...], text: str) -> Any:
    changed = copy.deepcopy(body)
    at = changed
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = text
    return changed


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.handler.__name__)
def test_injection(route: Route, api: Api, scene: Scene, db: psycopg.Connection) -> None:
    before = _structure(db)
    for text in HOSTILE:
        for path, headers, body in _requests(route, scene, text):
            response = api(route.method, path, body, user=scene.staff, **headers)
            assert response.status_code < 500, (path, headers, body, response.data)
            assert "Set-Cookie" not in response.headers
    assert _structure(db) == before


def _structure(db: psycopg.Connection) -> Any:
    """What a statement that was smuggled in would change: the tables, and rows that no request names."""
    return db.execute(
        """
        SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_proc),
               (SELECT count(*) FROM public.users), (SELECT count(*) FROM public.events)
        """
    ).fetchone()


def test_what_is_taken_is_kept_as_it_was_sent(api: Api, scene: Scene, db: psycopg.Connection) -> None:
    text = "'; DROP TABLE tickets; -- \\ %s {} \" \u202e<b>"
    document = _body(next(route for route in ROUTES if route.path == "/feedbacks"), scene)
    document["data"]["attributes"]["comment"] = text
    response = api("POST", "/v1/feedbacks", document, user=scene.staff)
    assert response.document["data"]["attributes"]["comment"] == text
    row = db.execute("SELECT comment FROM feedback WHERE id = %s", [response.document["data"]["id"]])
    assert row.fetchone() == (text,)


def test_half_a_surrogate_pair_is_refused_and_can_be_told(api: Api, scene: Scene) -> None:
    path = f"/v1/discount-codes/{scene.code}/relationships/tickets"
    body = b'{"data": [{"type": "ticket", "id": "\\ud800"}]}'
    headers = bearer(scene.staff) | {"Content-Type": "application/vnd.api+json"}
    response = api.send("PATCH", path, body, headers)
    assert response.status_code == 404
    assert response.errors[0]["detail"] == "ticket ? does not exist"


def test_text_that_the_encoding_of_the_connection_lacks_names_nothing(dsn: str, scene: Scene) -> None:
    """As in a database in LATIN1, whose connections are in it too unless told otherwise."""
    app = flask.Flask(__name__)
    with ConnectionPool(dsn, min_size=1, open=True, kwargs={"client_encoding": "LATIN1"}) as pool:
        users = oeventdb.flask.bearer_tokens(KEY)
        app.register_blueprint(oeventdb.flask.blueprint(pool.connection, users=users))
        with served(app) as api:
            text = quote("日本")
            for path in (
                f"/events/{text}/tickets",
                f"/events/{text}/feedback/summary",
                f"/orders/{text}/tickets",
            ):
                assert api.get(f"/v1{path}").status_code == 404
            answer = api.get(f"/v1/access-codes/{scene.access_code}/tickets?code={text}")
            assert (answer.status_code, answer.document["data"]) == (200, [])
