"""The routes work for a role with the privileges of an application and of a reader, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flask
import pytest
from psycopg_pool import ConnectionPool

import oeventdb.flask
from oeventdb import schema
from tests.flask.http import KEY, Api, served
from tests.roles import Roles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oeventdb.servers.postgres import Postgres
    from tests.flask.conftest import Scene


@pytest.fixture
def humble(postgres: Postgres, dsn: str) -> Iterator[Api]:
    """Requests to an application whose connections are those of such a role."""
    roles = Roles(postgres.dsn)
    role = roles.create("web")
    with schema.connect(dsn) as connection:
        schema.grant(connection, "app", role)
        schema.grant(connection, "reader", role)
    app = flask.Flask(__name__)
    with ConnectionPool(roles.login(dsn, role), min_size=1, open=True) as pool:
        users = oeventdb.flask.bearer_tokens(KEY)
        app.register_blueprint(oeventdb.flask.blueprint(pool.connection, users=users))
        with served(app) as made:
            yield made
    roles.close()


def test_every_route(humble: Api, scene: Scene) -> None:
    code = f"/v1/discount-codes/{scene.code}"
    for path in (
        f"/v1/events/{scene.event}/tickets",
        f"/v1/events/{scene.identifier}/tickets",
        f"/v1/ticket-tags/{scene.tag}/tickets",
        f"/v1/access-codes/{scene.access_code}/tickets",
        f"/v1/orders/{scene.order}/tickets",
        f"/v1/events/{scene.event}/feedback/summary",
        f"{code}/tickets",
        f"{code}/relationships/tickets",
    ):
        assert humble.get(path, user=scene.organizer).status_code == 200
    linkage = {"data": [{"type": "ticket", "id": str(scene.ticket)}]}
    path = f"{code}/relationships/tickets"
    assert humble("PATCH", path, linkage, user=scene.organizer).status_code == 200
    assert humble("DELETE", path, linkage, user=scene.organizer).status_code == 200
    event = {"event": {"data": {"type": "event", "id": str(scene.event)}}}
    ticket = {"ticket": {"data": {"type": "ticket", "id": str(scene.ticket)}}}
    order = {"email": "a@example.org", "lines": [{"ticket-id": scene.ticket, "quantity": 1}]}
    for path, type_, attributes, relationships in (
        ("/v1/feedbacks", "feedback", {"rating": "4"}, event),
        ("/v1/attendees", "attendee", {"firstname": "Ada", "lastname": "Lovelace"}, ticket),
        ("/v1/orders", "order", order, event),
    ):
        data = {"type": type_, "attributes": attributes, "relationships": relationships}
        assert humble("POST", path, {"data": data}, user=scene.organizer).status_code == 201
