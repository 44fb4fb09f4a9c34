"""Tokens, feedback, attendees, orders and the search."""

from __future__ import annotations

import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import flask
import jwt
import pytest
from werkzeug.serving import make_server

import oeventdb.flask
from oeventdb.errors import SearchUnavailable
from oeventdb.search.query import Found, Hit
from tests.flask.conftest import KEY, MEDIA_TYPE, Api, token

if TYPE_CHECKING:
    import psycopg
    from psycopg_pool import ConnectionPool

    from tests.flask.conftest import Scene


def _feedback(event: int, rating: Any, **members: Any) -> dict[str, Any]:
    return {
        "data": {
            "type": "feedback",
            "attributes": {"rating": rating, "comment": "Great!"},
            "relationships": {"event": {"data": {"type": "event", "id": str(event)}}},
        }
        | members
    }


def _attendee(ticket: int, **attributes: Any) -> dict[str, Any]:
    return {
        "data": {
            "type": "attendee",
            "attributes": {"firstname": "Ada", "lastname": "Lovelace"} | attributes,
            "relationships": {"ticket": {"data": {"type": "ticket", "id": str(ticket)}}},
        }
    }


def _order(event: int, *lines: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {
        "data": {
            "type": "order",
            "attributes": {"email": "ada@example.org", "lines": list(lines)} | attributes,
            "relationships": {"event": {"data": {"type": "event", "id": str(event)}}},
        }
    }


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer nonsense",
        "Basic YWRhOnB3",
        f"Bearer {jwt.encode({'sub': '1', 'exp': 1}, KEY, algorithm='HS256')}",
        f"Bearer {jwt.encode({'sub': '1'}, KEY, algorithm='HS256')}",
        f"Bearer {jwt.encode({'exp': time.time() + 60}, KEY, algorithm='HS256')}",
        f"Bearer {jwt.encode({'sub': 'ada', 'exp': time.time() + 60}, KEY, algorithm='HS256')}",
        f"Bearer {jwt.encode({'sub': '1', 'exp': time.time() + 60}, KEY * 2, algorithm='HS512')}",
        f"Bearer {jwt.encode({'sub': '1', 'exp': time.time() + 60}, 'k' * 64, algorithm='HS256')}",
        f"Bearer {jwt.encode({'sub': '1', 'exp': time.time() + 60}, None, algorithm='none')}",
    ],
    ids=[
        "empty",
        "nonsense",
        "basic",
        "expired",
        "endless",
        "nobody",
        "no number",
        "other algorithm",
        "other key",
        "unsigned",
    ],
)
def test_a_bad_token_is_nobody_not_even_where_none_is_needed(api: Api, scene: Scene, header: str) -> None:
    response = api.get(f"/v1/events/{scene.event}/tickets", Authorization=header)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_the_scheme_that_open_event_uses(api: Api, scene: Scene) -> None:
    path = f"/v1/discount-codes/{scene.code}/tickets"
    assert api.get(path, Authorization=f"JWT {token(scene.organizer)}").status_code == 200


def test_feedback_is_given_replaced_and_summed_up(api: Api, scene: Scene) -> None:
    summary = f"/v1/events/{scene.event}/feedback/summary"
    assert api.get(summary).get_json(force=True)["data"]["attributes"] == {"average": None, "count": 0}
    first = api("POST", "/v1/feedbacks", _feedback(scene.event, "4.3"), user=scene.attendee)
    assert first.status_code == 201
    data = first.get_json(force=True)["data"]
    assert (data["type"], data["attributes"]["rating"]) == ("feedback", 4.5)
    assert first.headers["Location"] == data["links"]["self"] == f"/v1/feedbacks/{data['id']}"
    second = api("POST", "/v1/feedbacks", _feedback(scene.event, 2), user=scene.attendee)
    assert second.get_json(force=True)["data"]["id"] == data["id"]
    assert api.get(summary).get_json(force=True)["data"]["attributes"] == {"average": 2, "count": 1}


@pytest.mark.parametrize("rating", ["5.01", -1, "great!", "NaN", "", "1e400000"])
def test_a_rating_that_is_none_is_refused_where_it_stands(api: Api, scene: Scene, rating: Any) -> None:
    response = api("POST", "/v1/feedbacks", _feedback(scene.event, rating), user=scene.attendee)
    assert response.status_code == 422
    (error,) = response.get_json(force=True)["errors"]
    assert error["code"] == "OE501"
    assert error["source"] == {"pointer": "/data/attributes/rating"}


def test_feedback_is_given_for_oneself(api: Api, scene: Scene) -> None:
    document = _feedback(scene.event, 3)
    document["data"]["relationships"]["user"] = {"data": {"type": "user", "id": str(scene.attendee)}}
    assert api("POST", "/v1/feedbacks", document).status_code == 401
    assert api("POST", "/v1/feedbacks", document, user=scene.organizer).status_code == 403
    assert api("POST", "/v1/feedbacks", document, user=scene.attendee).status_code == 201
    assert api("POST", "/v1/feedbacks", document, user=scene.staff).status_code == 201


@pytest.mark.parametrize(
    ("document", "status", "pointer"),
    [
        (_feedback(1, rating=True), 422, "/data/attributes/rating"),
        (_feedback(1, rating=None), 422, "/data/attributes/rating"),
        (_feedback(1, 3, type="rating"), 409, "/data/type"),
        (_feedback(1, 3, id="7"), 403, "/data/id"),
        (_feedback(1, 3, relationships={}), 422, "/data/relationships/event"),
        (_feedback(1, 3, relationships=[]), 400, "/data/relationships"),
        (_feedback(1, 3, attributes=3), 400, "/data/attributes"),
        (_feedback(999_999, 3), 404, "/data/relationships/event"),
        ({"data": []}, 400, "/data"),
    ],
)
def test_defects_of_a_resource(api: Api, scene: Scene, document: Any, status: int, pointer: str) -> None:
    response = api("POST", "/v1/feedbacks", document, user=scene.attendee)
    assert response.status_code == status, response.get_json(force=True)
    assert response.get_json(force=True)["errors"][0]["source"] == {"pointer": pointer}


def test_attendees_are_admitted_by_those_who_manage_the_event(
    api: Api, scene: Scene, db: psycopg.Connection
) -> None:
    assert api("POST", "/v1/attendees", _attendee(scene.ticket)).status_code == 401
    assert api("POST", "/v1/attendees", _attendee(scene.ticket), user=scene.attendee).status_code == 403
    response = api("POST", "/v1/attendees", _attendee(scene.ticket), user=scene.organizer)
    assert response.status_code == 201
    assert response.get_json(force=True)["data"]["attributes"]["firstname"] == "Ada"
    db.execute("UPDATE tickets SET quantity = 1, max_order = 1 WHERE id = %s", [scene.ticket])
    refused = api("POST", "/v1/attendees", _attendee(scene.ticket), user=scene.organizer)
    assert refused.status_code == 409
    (error,) = refused.get_json(force=True)["errors"]
    assert (error["code"], error["source"]) == ("OE101", {"pointer": "/data/relationships/ticket"})


@pytest.mark.parametrize("name", ["", None, 7, "a\x00b", "x" * 1000, "'; DROP TABLE tickets; --"])
def test_names_of_attendees(api: Api, scene: Scene, name: Any) -> None:
    response = api("POST", "/v1/attendees", _attendee(scene.ticket, firstname=name), user=scene.organizer)
    assert response.status_code in (201, 422)


def test_an_order_is_placed_once_for_each_key(api: Api, scene: Scene) -> None:
    document = _order(scene.event, {"ticket-id": scene.ticket, "quantity": 2})
    assert api("POST", "/v1/orders", document).status_code == 401
    key = f"key-{scene.event}"
    first = api("POST", "/v1/orders", document, user=scene.attendee, Idempotency_Key=key)
    assert first.status_code == 201, first.get_json(force=True)
    data = first.get_json(force=True)["data"]
    assert (data["type"], data["attributes"]["status"], data["attributes"]["amount"]) == (
        "order",
        "pending",
        41,
    )
    again = api("POST", "/v1/orders", document, user=scene.attendee, Idempotency_Key=key)
    assert again.get_json(force=True)["data"]["id"] == data["id"]
    other = _order(scene.event, {"ticket-id": scene.ticket, "quantity": 1})
    conflict = api("POST", "/v1/orders", other, user=scene.attendee, Idempotency_Key=key)
    assert conflict.status_code == 409
    assert conflict.get_json(force=True)["errors"][0]["code"] == "OE303"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"lines": None}, 422, "OE400"),
        ({"lines": []}, 422, "OE400"),
        ({"lines": [7]}, 422, "OE400"),
        ({"lines": [{"ticket-id": 999_999, "quantity": 1}]}, 404, "OE404"),
        ({"email": "nobody"}, 422, "OE400"),
        ({"discount-code": "LESS"}, 422, "OE202"),
        ({"access-code": "sesame"}, 422, "OE107"),
    ],
)
def test_orders_that_are_refused(
    api: Api, scene: Scene, change: dict[str, Any], status: int, code: str
) -> None:
    document = _order(scene.event, {"ticket-id": scene.ticket, "quantity": 1}, **change)
    response = api("POST", "/v1/orders", document, user=scene.attendee)
    assert response.status_code == status
    assert response.get_json(force=True)["errors"][0].get("code") == code


def test_the_last_ticket_is_sold_once_over_real_http(
    app: flask.Flask, scene: Scene, db: psycopg.Connection
) -> None:
    db.execute("UPDATE tickets SET quantity = 1, max_order = 1 WHERE id = %s", [scene.ticket])
    body = flask.json.dumps(_order(scene.event, {"ticket-id": scene.ticket, "quantity": 1})).encode()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def buy(_: int) -> int:
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.server_port}/v1/orders",
            data=body,
            headers={"Content-Type": MEDIA_TYPE, "Authorization": f"Bearer {token(scene.attendee)}"},
        )
        try:
            with urllib.request.urlopen(request) as response:  # noqa: S310
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    try:
        with ThreadPoolExecutor(8) as threads:
            statuses = sorted(threads.map(buy, range(8)))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert statuses == [201] + [409] * 7


def _searching(pool: ConnectionPool, find: Any) -> Api:
    app = flask.Flask(__name__)
    users = oeventdb.flask.bearer_tokens(KEY)
    app.register_blueprint(oeventdb.flask.blueprint(pool.connection, users=users, find=find))
    return Api(app)


def test_the_search(pool: ConnectionPool) -> None:
    asked = []

    def find(query: str, *, limit: int) -> Found:
        asked.append((query, limit))
        return Found(7, (Hit(5, 1.5, {"id": 5, "name": "PyCon", "starts_at": None}),))

    api = _searching(pool, find)
    document = api.get("/v1/search/events?q=py+berlin&page[size]=3").get_json(force=True)
    assert asked == [("py berlin", 3)]
    assert document["meta"] == {"count": 7}
    assert document["data"][0]["attributes"] == {"name": "PyCon", "starts-at": None}
    for query in ("", "?q=", "?q=%20", f"?q={'x' * 1001}", "?q=a&page[size]=0", "?q=a&sort=name"):
        assert api.get(f"/v1/search/events{query}").status_code == 400


def test_a_search_that_cannot_be_reached_is_503(pool: ConnectionPool) -> None:
    def find(query: str, *, limit: int) -> Found:
        raise SearchUnavailable(f"no answer for {query} and {limit}")

    assert _searching(pool, find).get("/v1/search/events?q=x").status_code == 503


def test_without_a_search_there_is_no_route(api: Api) -> None:
    assert api.app.test_client().get("/v1/search/events?q=x").status_code == 404


def test_a_database_that_cannot_be_reached_is_503(scene: Scene) -> None:
    import psycopg

    app = flask.Flask(__name__)
    connect: Any = partial(psycopg.connect, "host=127.0.0.1 port=1 connect_timeout=2")
    users = oeventdb.flask.bearer_tokens(KEY)
    app.register_blueprint(oeventdb.flask.blueprint(connect, users=users))
    assert Api(app).get(f"/v1/events/{scene.event}/tickets").status_code == 503
