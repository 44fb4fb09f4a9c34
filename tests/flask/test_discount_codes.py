"""A discount code's tickets and the relationship to them: who may, and every defect of a request."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests import samples
from tests.flask.http import MEDIA_TYPE, bearer

if TYPE_CHECKING:
    import psycopg

    from tests.flask.conftest import Scene
    from tests.flask.http import Api


def _path(scene: Scene) -> str:
    return f"/v1/discount-codes/{scene.code}/relationships/tickets"


def _linkage(*ids: Any) -> dict[str, Any]:
    return {"data": [{"type": "ticket", "id": str(id_)} for id_ in ids]}


def _linked(api: Api, scene: Scene) -> list[int]:
    response = api.get(_path(scene), user=scene.organizer)
    return [int(item["id"]) for item in response.document["data"]]


@pytest.mark.parametrize(
    ("who", "status"),
    [
        (None, 401),
        ("attendee", 403),
        ("registrar", 403),
        ("organizer", 200),
        ("coorganizer", 200),
        ("staff", 200),
    ],
)
def test_who_may_read_and_change_a_code(api: Api, scene: Scene, who: str | None, status: int) -> None:
    user = getattr(scene, who) if who else None
    assert api.get(f"/v1/discount-codes/{scene.code}/tickets", user=user).status_code == status
    assert api.get(_path(scene), user=user).status_code == status
    for method in ("PATCH", "POST", "DELETE"):
        response = api(method, _path(scene), _linkage(scene.ticket), user=user)
        assert response.status_code == (
            status if method == "PATCH" or status != 200 else response.status_code
        )
    if status != 200:
        assert _linked(api, scene) == []


def test_an_organizer_of_another_event_may_not(api: Api, scene: Scene, db: psycopg.Connection) -> None:
    theirs = samples.discount_code(db, scene.other_event)
    path = f"/v1/discount-codes/{theirs}/relationships/tickets"
    assert api("PATCH", path, _linkage(), user=scene.organizer).status_code == 403


def test_the_relationship(api: Api, scene: Scene) -> None:
    api("PATCH", _path(scene), _linkage(scene.hidden, scene.ticket), user=scene.organizer)
    document = api.get(_path(scene), user=scene.organizer).document
    assert document == {
        "data": [{"type": "ticket", "id": str(scene.ticket)}, {"type": "ticket", "id": str(scene.hidden)}],
        "links": {"self": _path(scene), "related": f"/v1/discount-codes/{scene.code}/tickets"},
        "jsonapi": {"version": "1.0"},
    }


@pytest.mark.parametrize("time", ["infinity", "-infinity", "0044-03-15 BC", "294276-12-31"])
def test_times_that_python_does_not_have_are_in_nobody_s_way(
    api: Api, scene: Scene, db: psycopg.Connection, time: str
) -> None:
    code, tickets = [scene.code], [scene.ticket, scene.hidden]
    db.execute("UPDATE discount_codes SET valid_from = NULL, valid_till = NULL WHERE id = %s", code)
    db.execute("UPDATE discount_codes SET created_at = %s WHERE id = %s", [time, scene.code])
    db.execute(
        "UPDATE tickets SET sales_ends_at = %s, sales_starts_at = %s WHERE id = ANY (%s)",
        [time, time, tickets],
    )
    response = api("PATCH", _path(scene), _linkage(*tickets), user=scene.organizer)
    assert response.status_code == 200
    assert response.document["data"]["attributes"]["created-at"] is None
    assert _linked(api, scene) == tickets
    assert api("DELETE", _path(scene), _linkage(scene.hidden), user=scene.organizer).status_code == 200
    listed = api.get(f"/v1/discount-codes/{scene.code}/tickets", user=scene.organizer).document
    assert [item["id"] for item in listed["data"]] == [str(scene.ticket)]


def test_ids_may_have_all_the_digits_of_a_bigint(api: Api, scene: Scene, db: psycopg.Connection) -> None:
    id_ = 2**63 - 1
    samples.ticket(db, scene.event, id=id_)
    assert api("POST", _path(scene), _linkage(id_), user=scene.organizer).status_code == 200
    assert _linked(api, scene) == [id_]


def test_patch_replaces_the_whole_set(api: Api, scene: Scene) -> None:
    response = api("PATCH", _path(scene), _linkage(scene.ticket), user=scene.organizer)
    assert response.status_code == 200
    document = response.document
    assert document["data"]["type"] == "discount-code"
    assert document["data"]["id"] == str(scene.code)
    assert document["data"]["attributes"]["used-for"] == "ticket"
    assert [item["id"] for item in document["included"]] == [str(scene.ticket)]
    assert document["links"]["self"] == _path(scene)
    assert api("PATCH", _path(scene), _linkage(scene.hidden), user=scene.organizer).status_code == 200
    assert _linked(api, scene) == [scene.hidden]
    unchanged = api("PATCH", _path(scene), _linkage(scene.hidden), user=scene.organizer)
    assert (unchanged.status_code, unchanged.data) == (204, b"")
    assert api("PATCH", _path(scene), _linkage(), user=scene.organizer).status_code == 200
    assert _linked(api, scene) == []


def test_post_adds_and_delete_takes_away(api: Api, scene: Scene) -> None:
    assert api("POST", _path(scene), _linkage(scene.ticket), user=scene.organizer).status_code == 200
    assert api("POST", _path(scene), _linkage(scene.hidden), user=scene.organizer).status_code == 200
    assert _linked(api, scene) == [scene.ticket, scene.hidden]
    assert api("POST", _path(scene), _linkage(scene.hidden), user=scene.organizer).status_code == 204
    assert api("DELETE", _path(scene), _linkage(scene.ticket), user=scene.organizer).status_code == 200
    assert api("DELETE", _path(scene), _linkage(scene.ticket), user=scene.organizer).status_code == 204
    assert _linked(api, scene) == [scene.hidden]


def test_additions_at_the_same_time_lose_nothing(api: Api, scene: Scene, db: psycopg.Connection) -> None:
    tickets = [samples.ticket(db, scene.event, position=n) for n in range(12)]
    with ThreadPoolExecutor(4) as threads:
        statuses = set(
            threads.map(
                lambda ticket: api("POST", _path(scene), _linkage(ticket), user=scene.organizer).status_code,
                tickets,
            )
        )
    assert statuses == {200}
    assert set(_linked(api, scene)) == set(tickets)


@pytest.mark.parametrize(
    ("document", "status", "pointer"),
    [
        ({}, 400, "/data"),
        ([], 400, ""),
        ({"data": None}, 400, "/data"),
        ({"data": {"type": "ticket", "id": "1"}}, 400, "/data"),
        ({"data": [7]}, 400, "/data/0"),
        ({"data": [{"id": "1"}]}, 400, "/data/0/type"),
        ({"data": [{"type": "ticket"}]}, 400, "/data/0/id"),
        ({"data": [{"type": "event", "id": "1"}]}, 409, "/data/0/type"),
        ({"data": [{"type": "ticket", "id": "x'; DROP TABLE tickets; --"}]}, 404, "/data/0/id"),
        ({"data": [{"type": "ticket", "id": "99999999999999999999"}]}, 404, "/data/0/id"),
        ({"data": [{"type": "ticket", "id": "999999"}]}, 404, "/data"),
    ],
)
def test_defects_of_a_body(api: Api, scene: Scene, document: Any, status: int, pointer: str) -> None:
    response = api("PATCH", _path(scene), document, user=scene.organizer)
    assert response.status_code == status
    assert response.errors[0].get("source") == {"pointer": pointer}


def test_a_ticket_of_another_event_is_refused_with_its_code(api: Api, scene: Scene) -> None:
    response = api("PATCH", _path(scene), _linkage(scene.other_ticket), user=scene.organizer)
    assert response.status_code == 422
    (error,) = response.errors
    assert error["code"] == "OE105"
    assert error["title"] == "Wrong event"
    assert error["meta"]["detail"]["id"] == scene.other_ticket


def test_a_code_of_kind_event_takes_no_tickets(api: Api, scene: Scene, db: psycopg.Connection) -> None:
    code = samples.discount_code(db, scene.event, used_for="event")
    path = f"/v1/discount-codes/{code}/relationships/tickets"
    response = api("PATCH", path, _linkage(scene.ticket), user=scene.organizer)
    assert response.status_code == 409
    assert response.errors[0]["code"] == "OE201"


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/vnd.api+json; charset=utf-8", "text/plain"]
)
def test_the_media_type_of_a_body(api: Api, scene: Scene, content_type: str) -> None:
    response = api("PATCH", _path(scene), _linkage(), user=scene.organizer, Content_Type=content_type)
    assert response.status_code == 415


def test_the_media_type_of_a_body_may_be_in_capitals(api: Api, scene: Scene) -> None:
    answer = api("PATCH", _path(scene), _linkage(), user=scene.organizer, Content_Type=MEDIA_TYPE.title())
    assert answer.status_code == 204


def test_bodies_that_are_no_json(api: Api, scene: Scene) -> None:
    headers = bearer(scene.organizer) | {"Content-Type": MEDIA_TYPE}
    for body in (b"", b"{", b"\xff", b"[" * 100_000):
        assert api.send("PATCH", _path(scene), body, headers).status_code == 400


@pytest.mark.parametrize("declared", [True, False], ids=["with its length", "in chunks"])
def test_bodies_that_are_too_large(api: Api, scene: Scene, declared: bool) -> None:
    environ = {} if declared else {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    response = api.app.test_client().patch(
        _path(scene),
        input_stream=io.BytesIO(b" " * 2_000_000),
        content_length=2_000_000 if declared else None,
        headers=bearer(scene.organizer) | {"Content-Type": MEDIA_TYPE},
        environ_overrides=environ,
    )
    assert response.status_code == 413


def test_codes_that_are_not_there(api: Api, scene: Scene) -> None:
    for code in ("999999", "x", "-1", "1.5", "9" * 30):
        path = f"/v1/discount-codes/{code}/relationships/tickets"
        assert api.get(path, user=scene.staff).status_code == 404
        assert api("PATCH", path, _linkage(), user=scene.staff).status_code == 404


def test_methods_that_are_not_supported(api: Api, scene: Scene) -> None:
    response = api("PUT", _path(scene), _linkage(), user=scene.staff)
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) >= {"GET", "PATCH", "POST", "DELETE"}


def test_a_change_of_what_was_read_is_refused_if_it_was_changed_since(api: Api, scene: Scene) -> None:
    read = api.get(_path(scene), user=scene.organizer).headers["ETag"]
    change = _linkage(scene.ticket)
    assert api("PATCH", _path(scene), change, user=scene.organizer, If_Match='"other"').status_code == 412
    assert _linked(api, scene) == []
    assert api("PATCH", _path(scene), change, user=scene.organizer, If_Match=read).status_code == 200
    late = api("PATCH", _path(scene), _linkage(scene.hidden), user=scene.coorganizer, If_Match=read)
    assert late.status_code == 412
    assert late.errors[0]["source"] == {"header": "If-Match"}
    assert _linked(api, scene) == [scene.ticket]
    assert api("DELETE", _path(scene), change, user=scene.organizer, If_Match="*").status_code == 200
