"""Tokens, feedback, attendees, orders and the search."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import flask
import pytest

import oeventdb.flask
import oeventdb.search
from tests.flask.http import KEY, Api, served

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def test_feedback_is_given_replaced_and_summed_up(api: Api, scene: Scene) -> None:
    summary = f"/v1/events/{scene.event}/feedback/summary"
    assert api.get(summary).document["data"]["attributes"] == {"average": None, "count": 0}
    first = api("POST", "/v1/feedbacks", _feedback(scene.event, "4.3"), user=scene.attendee)
    assert first.status_code == 201
    data = first.document["data"]
    assert (data["type"], data["attributes"]["rating"]) == ("feedback", 4.5)
    assert first.headers["Location"] == data["links"]["self"] == f"/v1/feedbacks/{data['id']}"
    second = api("POST", "/v1/feedbacks", _feedback(scene.event, 2), user=scene.attendee)
    assert second.document["data"]["id"] == data["id"]
    assert api.get(summary).document["data"]["attributes"] == {"average": 2, "count": 1}


@pytest.mark.parametrize("rating", ["5.01", -1, "great!", "NaN", "", "1e400000"])
def test_a_rating_that_is_none_is_refused_where_it_stands(api: Api, scene: Scene, rating: Any) -> None:
    response = api("POST", "/v1/feedbacks", _feedback(scene.event, rating), user=scene.attendee)
    assert response.status_code == 422
    (error,) = response.errors
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
    assert response.status_code == status, response.document
    assert response.errors[0]["source"] == {"pointer": pointer}


def test_attendees_are_admitted_by_those_who_manage_the_event(
    api: Api, scene: Scene, db: psycopg.Connection
) -> None:
    assert api("POST", "/v1/attendees", _attendee(scene.ticket)).status_code == 401
    assert api("POST", "/v1/attendees", _attendee(scene.ticket), user=scene.attendee).status_code == 403
    response = api("POST", "/v1/attendees", _attendee(scene.ticket), user=scene.organizer)
    assert response.status_code == 201
    assert response.document["data"]["attributes"]["firstname"] == "Ada"
    db.execute("UPDATE tickets SET quantity = 1, max_order = 1 WHERE id = %s", [scene.ticket])
    refused = api("POST", "/v1/attendees", _attendee(scene.ticket), user=scene.organizer)
    assert refused.status_code == 409
    (error,) = refused.errors
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
    assert first.status_code == 201, first.document
    data = first.document["data"]
    assert (data["type"], data["attributes"]["status"], data["attributes"]["amount"]) == (
        "order",
        "pending",
        41,
    )
    again = api("POST", "/v1/orders", document, user=scene.attendee, Idempotency_Key=key)
    assert again.document["data"]["id"] == data["id"]
    other = _order(scene.event, {"ticket-id": scene.ticket, "quantity": 1})
    conflict = api("POST", "/v1/orders", other, user=scene.attendee, Idempotency_Key=key)
    assert conflict.status_code == 409
    assert conflict.errors[0]["code"] == "OE303"


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
    assert response.errors[0].get("code") == code


def test_the_last_ticket_is_sold_once(api: Api, scene: Scene, db: psycopg.Connection) -> None:
    db.execute("UPDATE tickets SET quantity = 1, max_order = 1 WHERE id = %s", [scene.ticket])
    document = _order(scene.event, {"ticket-id": scene.ticket, "quantity": 1})
    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(lambda _: api("POST", "/v1/orders", document, user=scene.attendee), range(8))
        statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] + [409] * 7


@contextmanager
def _searching(pool: ConnectionPool, find: Any) -> Iterator[Api]:
    app = flask.Flask(__name__)
    users = oeventdb.flask.bearer_tokens(KEY)
    app.register_blueprint(oeventdb.flask.blueprint(pool.connection, users=users, find=find))
    with served(app) as api:
        yield api


def test_a_search_that_cannot_be_reached_is_503(
    pool: ConnectionPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oeventdb.search.query._PATIENCE", 0.2)
    find = partial(oeventdb.search.search, "http://127.0.0.1:1")
    with _searching(pool, find) as api:
        response = api.get("/v1/search/events?q=x")
    assert response.status_code == 503
    assert response.errors[0]["title"] == "Service unavailable"


def test_without_a_search_there_is_no_route(api: Api) -> None:
    assert api.app.test_client().get("/v1/search/events?q=x").status_code == 404
    assert "/v1/search/events" not in api.app.test_client().get("/v1/openapi.json").get_json()["paths"]


def test_a_database_that_cannot_be_reached_is_503(scene: Scene) -> None:
    import psycopg

    app = flask.Flask(__name__)
    connect: Any = partial(psycopg.connect, "host=127.0.0.1 port=1 connect_timeout=2")
    users = oeventdb.flask.bearer_tokens(KEY)
    app.register_blueprint(oeventdb.flask.blueprint(connect, users=users))
    with served(app) as api:
        assert api.get(f"/v1/events/{scene.event}/tickets").status_code == 503


def test_a_database_that_takes_no_writes_is_503_for_what_writes(dsn: str, scene: Scene) -> None:
    import psycopg

    app = flask.Flask(__name__)
    # a standby refuses in the same words, SQLSTATE 25006
    connect: Any = partial(psycopg.connect, dsn, options="-c default_transaction_read_only=on")
    users = oeventdb.flask.bearer_tokens(KEY)
    app.register_blueprint(oeventdb.flask.blueprint(connect, users=users))
    with served(app) as api:
        assert api.get(f"/v1/events/{scene.event}/tickets").status_code == 200
        refused = api("POST", "/v1/feedbacks", _feedback(scene.event, "4"), user=scene.attendee)
    assert refused.status_code == 503
    assert "no writes" in refused.errors[0]["detail"]


def test_the_key_of_one_user_is_not_the_key_of_another(api: Api, scene: Scene) -> None:
    document = _order(scene.event, {"ticket-id": scene.ticket, "quantity": 1})
    orders = {
        api("POST", "/v1/orders", document, user=user, Idempotency_Key="1").document["data"]["id"]
        for user in (scene.attendee, scene.organizer)
    }
    assert len(orders) == 2
    empty = api("POST", "/v1/orders", document, user=scene.attendee, Idempotency_Key="")
    assert (empty.status_code, empty.errors[0]["source"]) == (422, {"header": "Idempotency-Key"})
