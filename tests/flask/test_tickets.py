"""Lists of tickets: who sees which, in what form."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import flask
import psycopg
import pytest

import oeventdb.flask
from tests import samples
from tests.flask.http import served

if TYPE_CHECKING:
    from tests.flask.conftest import Scene
    from tests.flask.http import Answer, Api


def _ids(response: Answer) -> list[int]:
    assert response.status_code == 200, response.data
    return [int(item["id"]) for item in response.document["data"]]


@pytest.mark.parametrize(
    ("who", "sees_hidden"),
    [
        (None, False),
        ("attendee", False),
        ("registrar", False),
        ("coorganizer", True),
        ("organizer", True),
        ("staff", True),
    ],
)
def test_hidden_tickets_are_for_those_who_manage_the_event(
    api: Api, scene: Scene, who: str | None, sees_hidden: bool
) -> None:
    user = getattr(scene, who) if who else None
    expected = [scene.ticket, scene.hidden] if sees_hidden else [scene.ticket]
    for path in (
        f"/v1/events/{scene.event}/tickets",
        f"/v1/events/{scene.identifier}/tickets",
        f"/v1/ticket-tags/{scene.tag}/tickets",
    ):
        assert _ids(api.get(path, user=user)) == expected
    assert _ids(api.get(f"/v1/access-codes/{scene.access_code}/tickets", user=user)) == expected[1:]


def test_whoever_knows_an_access_code_sees_what_it_opens(api: Api, scene: Scene) -> None:
    path = f"/v1/access-codes/{scene.access_code}/tickets"
    assert _ids(api.get(f"{path}?code=backDOOR")) == [scene.hidden]
    assert _ids(api.get(f"{path}?code=guess")) == []


def test_an_access_code_is_known_by_its_letters_of_any_alphabet(
    api: Api, scene: Scene, db: psycopg.Connection
) -> None:
    path = f"/v1/access-codes/{scene.access_code}/tickets"
    db.execute("UPDATE access_codes SET code = 'ÉTÉ' WHERE id = %s", [scene.access_code])
    assert _ids(api.get(f"{path}?code=%C3%89T%C3%89")) == [scene.hidden]
    assert _ids(api.get(f"{path}?code=%C3%89t%C3%89")) == [scene.hidden]
    for empty in ("", None):
        db.execute("UPDATE access_codes SET code = %s WHERE id = %s", [empty, scene.access_code])
        assert _ids(api.get(f"{path}?code=")) == []


def test_an_order_shows_its_hidden_tickets_to_its_buyer(api: Api, scene: Scene) -> None:
    path = f"/v1/orders/{scene.order}/tickets"
    assert _ids(api.get(path)) == [scene.ticket]
    assert _ids(api.get(path, user=scene.registrar)) == [scene.ticket]
    assert _ids(api.get(path, user=scene.attendee)) == [scene.ticket, scene.hidden]
    assert _ids(api.get(path, user=scene.organizer)) == [scene.ticket, scene.hidden]


def test_what_links_a_hidden_ticket_of_another_event_does_not_show_it(
    api: Api, scene: Scene, db: psycopg.Connection
) -> None:
    foreign = samples.ticket(db, scene.other_event, is_hidden=True)
    db.execute("INSERT INTO association VALUES (%s, %s)", [foreign, scene.tag])
    db.execute("INSERT INTO access_codes_tickets VALUES (%s, %s)", [scene.access_code, foreign])
    # as from before the rules: no such line can be written now
    db.execute("SET session_replication_role = replica")
    db.execute(
        "INSERT INTO orders_tickets SELECT id, %s, 1 FROM orders WHERE identifier = %s",
        [foreign, scene.order],
    )
    db.execute("RESET session_replication_role")
    for path in (f"ticket-tags/{scene.tag}", f"orders/{scene.order}"):
        assert _ids(api.get(f"/v1/{path}/tickets", user=scene.organizer)) == [scene.ticket, scene.hidden]
    path = f"/v1/access-codes/{scene.access_code}/tickets"
    assert _ids(api.get(path, user=scene.organizer)) == [scene.hidden]
    assert _ids(api.get(f"{path}?code=backdoor")) == [scene.hidden]


def test_a_draft_exists_for_those_who_manage_it(api: Api, scene: Scene) -> None:
    for path in (f"/v1/events/{scene.draft}/tickets", f"/v1/events/{scene.draft_identifier}/tickets"):
        assert api.get(path).status_code == 404
        assert api.get(path, user=scene.attendee).status_code == 404
        assert _ids(api.get(path, user=scene.organizer)) == []
    assert api.get(f"/v1/events/{scene.draft}/feedback/summary").status_code == 404


def test_the_document(api: Api, scene: Scene) -> None:
    document = api.get(f"/v1/events/{scene.event}/tickets").document
    (ticket,) = document["data"]
    assert ticket["type"] == "ticket"
    assert ticket["attributes"]["price"] == 20.5
    assert ticket["attributes"]["is-hidden"] is False
    assert ticket["attributes"]["sales-starts-at"].endswith("+00:00")
    assert ticket["links"] == {"self": f"/v1/tickets/{scene.ticket}"}
    assert ticket["relationships"]["event"]["links"] == {
        "self": f"/v1/tickets/{scene.ticket}/relationships/event",
        "related": f"/v1/tickets/{scene.ticket}/event",
    }
    related = ticket["relationships"]["attendees"]["links"]["related"]
    assert related == f"/v1/attendees?ticket_id={scene.ticket}"
    assert document["links"]["self"] == f"/v1/events/{scene.event}/tickets"
    assert document["meta"] == {"count": 1}
    assert document["jsonapi"] == {"version": "1.0"}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/events/999999/tickets",
        "/v1/events/nowhere/tickets",
        "/v1/events/99999999999999999999999/tickets",
        "/v1/events/%00/tickets",
        "/v1/events/%F0%9F%8E%9F/tickets",
        "/v1/ticket-tags/999999/tickets",
        "/v1/ticket-tags/x/tickets",
        "/v1/ticket-tags/-1/tickets",
        "/v1/access-codes/999999/tickets",
        "/v1/access-codes/1'%20OR%20'1'='1/tickets",
        "/v1/orders/nothing/tickets",
        "/v1/orders/%0B/tickets",
        "/v1/events/999999/feedback/summary",
    ],
)
def test_what_does_not_exist_is_404(api: Api, scene: Scene, path: str) -> None:
    response = api.get(path, user=scene.staff)
    assert response.status_code == 404
    assert response.errors[0]["status"] == "404"


@pytest.mark.parametrize("id_", ["999999", "x", "9" * 19])
@pytest.mark.parametrize(
    ("path", "parameter"), [("ticket-tags", "tag"), ("access-codes", "code"), ("discount-codes", "code")]
)
def test_an_error_names_the_parameter_of_the_path_as_the_description_does(
    api: Api, scene: Scene, path: str, parameter: str, id_: str
) -> None:
    response = api.get(f"/v1/{path}/{id_}/tickets", user=scene.staff)
    assert response.errors[0]["source"] == {"parameter": parameter}


def test_paging_sorting_and_sparse_fields(api: Api, scene: Scene, db: psycopg.Connection) -> None:
    more = [
        samples.ticket(db, scene.other_event, name=f"T{n}", position=n + 2, price=n % 3) for n in range(6)
    ]
    path = f"/v1/events/{scene.other_event}/tickets"
    assert _ids(api.get(f"{path}?page[size]=3&page[number]=2")) == more[2:5]
    links = api.get(f"{path}?page[size]=3&page[number]=2&sort=name").document["links"]
    assert links["first"] == f"{path}?page[size]=3&page[number]=1&sort=name"
    assert links["prev"] == links["first"]
    assert links["next"] == links["last"] == f"{path}?page[size]=3&page[number]=3&sort=name"
    ordered = _ids(api.get(f"{path}?sort=-price,position"))
    assert ordered == [scene.other_ticket, more[2], more[5], more[1], more[4], more[0], more[3]]
    item = api.get(f"{path}?fields[ticket]=name,event").document["data"][0]
    assert set(item["attributes"]) == {"name"}
    assert set(item["relationships"]) == {"event"}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("page[size]=0", "page[size]"),
        ("page[size]=101", "page[size]"),
        ("page[number]=x", "page[number]"),
        ("page[number]=99999999999", "page[number]"),
        ("sort=password", "sort"),
        ("sort=event", "sort"),
        ("fields[ticket]=secret", "fields[ticket]"),
        ("fields[user]=name", "fields[user]"),
        ("include=event", "include"),
        ("filter[name]=x", "filter[name]"),
        ("code=x", "code"),
    ],
)
def test_parameters_that_are_not_supported_are_refused(
    api: Api, scene: Scene, query: str, parameter: str
) -> None:
    response = api.get(f"/v1/events/{scene.event}/tickets?{query}")
    assert response.status_code == 400
    assert response.errors[0]["source"] == {"parameter": parameter}


def test_entity_tags(api: Api, scene: Scene) -> None:
    path = f"/v1/events/{scene.event}/tickets"
    first = api.get(path)
    tag = first.headers["ETag"]
    assert api.get(path, If_None_Match=tag).status_code == 304
    assert api.get(path, If_Match="*").status_code == 200
    assert api.get(path, If_Match="*", If_None_Match=tag).status_code == 304
    other = api.get(path, If_Match='"another"')
    assert (other.status_code, other.errors[0]["status"]) == (412, "412")
    assert api.get(path, user=scene.organizer, If_None_Match=tag).status_code == 200
    assert "Authorization" in first.headers["Vary"]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/vnd.api+json", 200),
        ("Application/Vnd.API+JSON", 200),
        ("*/*", 200),
        ("text/html, application/*;q=0.1", 200),
        ("application/vnd.api+json; ext=x, application/vnd.api+json", 200),
        ("application/vnd.api+json; charset=utf-8", 406),
        ("text/html", 406),
    ],
)
def test_what_the_client_accepts(api: Api, scene: Scene, accept: str, status: int) -> None:
    assert api.get(f"/v1/events/{scene.event}/tickets", Accept=accept).status_code == status


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("events/{0.event}/tickets", 5),
        ("events/{0.identifier}/tickets", 5),
        ("ticket-tags/{0.tag}/tickets", 5),
        ("access-codes/{0.access_code}/tickets", 5),
        ("orders/{0.order}/tickets", 5),
        ("discount-codes/{0.code}/tickets", 5),
        ("discount-codes/{0.code}/relationships/tickets", 4),
    ],
)
def test_the_number_of_queries_does_not_grow(
    api: Api, scene: Scene, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, path: str, most: int
) -> None:
    queries: list[Any] = []
    execute: Any = psycopg.Cursor.execute

    def counted(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        queries.append(query)
        return execute(self, query, *arguments, **options)

    address = f"/v1/{path.format(scene)}"
    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Cursor, "execute", counted)
        shown = len(_ids(api.get(address, user=scene.organizer)))
    few = len(queries)
    for _ in range(15):
        _in_every_list(db, scene, samples.ticket(db, scene.event))
    queries.clear()
    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    assert len(_ids(api.get(f"{address}{'' if most == 4 else '?page[size]=100'}", user=scene.organizer))) == (
        shown + 15
    )
    assert len(queries) == few <= most


def _in_every_list(db: psycopg.Connection, scene: Scene, ticket: int) -> None:
    db.execute("UPDATE tickets SET discount_code_id = %s WHERE id = %s", [scene.code, ticket])
    db.execute("INSERT INTO association VALUES (%s, %s)", [ticket, scene.tag])
    db.execute("INSERT INTO access_codes_tickets VALUES (%s, %s)", [scene.access_code, ticket])
    db.execute(
        "INSERT INTO orders_tickets SELECT id, %s, 1 FROM orders WHERE identifier = %s", [ticket, scene.order]
    )


def test_an_identifier_of_digits_only_is_one(api: Api, db: psycopg.Connection) -> None:
    event = samples.event(db, identifier="12345678")
    ticket = samples.ticket(db, event)
    assert _ids(api.get("/v1/events/12345678/tickets")) == [ticket]


def test_what_is_shown_is_what_open_event_shows(api: Api, scene: Scene) -> None:
    (ticket,) = api.get(f"/v1/events/{scene.event}/tickets").document["data"]
    assert set(ticket["attributes"]) == {
        *("name", "description", "type", "price", "quantity", "position", "is-description-visible"),
        *("is-fee-absorbed", "is-hidden", "min-order", "max-order", "sales-starts-at", "sales-ends-at"),
        "deleted-at",
    }
    linked = {"event", "ticket-tags", "discount-codes", "access-codes", "attendees"}
    assert set(ticket["relationships"]) == linked
    for path in (f"ticket-tags/{scene.tag}", f"orders/{scene.order}"):
        (ticket,) = api.get(f"/v1/{path}/tickets").document["data"]
        assert set(ticket["relationships"]) == linked - {"access-codes", "attendees"}


def test_times_are_in_utc_whatever_the_session(scene: Scene, dsn: str) -> None:
    app = flask.Flask(__name__)
    connect = partial(psycopg.connect, dsn, options="-c timezone=America/Caracas")
    app.register_blueprint(oeventdb.flask.blueprint(connect, users=lambda _: None))
    with served(app) as api:
        (ticket,) = api.get(f"/v1/events/{scene.event}/tickets").document["data"]
    assert ticket["attributes"]["sales-starts-at"].endswith("+00:00")


def test_a_legacy_price_that_is_no_number_is_null_and_last(
    api: Api, scene: Scene, db: psycopg.Connection
) -> None:
    tickets = [samples.ticket(db, scene.other_event, price=price) for price in (3, 1)]
    with db.transaction():
        db.execute("SET session_replication_role = replica")
        db.execute("ALTER TABLE tickets DISABLE TRIGGER ALL")
        db.execute("UPDATE tickets SET price = 'NaN' WHERE id = %s", [scene.other_ticket])
        db.execute("ALTER TABLE tickets ENABLE TRIGGER ALL")
    response = api.get(f"/v1/events/{scene.other_event}/tickets?sort=price&fields[ticket]=price")
    assert _ids(response) == [*reversed(tickets), scene.other_ticket]
    assert response.document["data"][-1]["attributes"] == {"price": None}


def test_a_legacy_time_beyond_all_calendars_is_null(api: Api, scene: Scene, db: psycopg.Connection) -> None:
    with db.transaction():
        db.execute("ALTER TABLE tickets DISABLE TRIGGER ALL")
        db.execute(
            "UPDATE tickets SET sales_starts_at = '-infinity', sales_ends_at = 'infinity' WHERE id = %s",
            [scene.other_ticket],
        )
        db.execute("ALTER TABLE tickets ENABLE TRIGGER ALL")
    (ticket,) = api.get(f"/v1/events/{scene.other_event}/tickets").document["data"]
    assert ticket["attributes"]["sales-starts-at"] is None
    assert ticket["attributes"]["sales-ends-at"] is None


def test_a_page_links_to_itself(api: Api, scene: Scene) -> None:
    path = f"/v1/events/{scene.event}/tickets"
    assert api.get(path).document["links"]["self"] == path
    query = "page[size]=1&sort=-price,name"
    assert api.get(f"{path}?{query}").document["links"]["self"] == f"{path}?{query}"
