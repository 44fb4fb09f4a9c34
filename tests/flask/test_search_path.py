"""Whoever may create in public decides nothing over HTTP, whatever the search_path of the connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flask
import pytest
from psycopg_pool import ConnectionPool

import oeventdb.flask
from tests import traps
from tests.flask.http import KEY, Api, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.flask.conftest import Scene


@pytest.fixture
def trapped(dsn: str, scene: Scene) -> Iterator[Api]:
    """Requests to an application whose connections look for everything in public first, where traps are."""
    assert scene.event
    traps.lay(dsn)
    app = flask.Flask(__name__)
    with ConnectionPool(traps.amid(dsn), min_size=1, open=True) as pool:
        users = oeventdb.flask.bearer_tokens(KEY)
        app.register_blueprint(oeventdb.flask.blueprint(pool.connection, users=users))
        with served(app) as made:
            yield made


def test_every_query_runs_the_operators_of_postgresql(trapped: Api, scene: Scene) -> None:
    code = f"/v1/discount-codes/{scene.code}"
    for path in (
        f"/v1/events/{scene.event}/tickets?sort=name,-price",
        f"/v1/events/{scene.identifier}/tickets",
        f"/v1/ticket-tags/{scene.tag}/tickets",
        f"/v1/access-codes/{scene.access_code}/tickets?code=x",
        f"/v1/orders/{scene.order}/tickets",
        f"/v1/events/{scene.event}/feedback/summary",
        f"{code}/tickets",
        f"{code}/relationships/tickets",
    ):
        assert trapped.get(path, user=scene.organizer).status_code == 200
    assert trapped.get(f"{code}/tickets", user=scene.attendee).status_code == 403
    linkage = {"data": [{"type": "ticket", "id": str(scene.ticket)}]}
    path = f"{code}/relationships/tickets"
    assert trapped("PATCH", path, linkage, user=scene.organizer).status_code == 200
    assert trapped("DELETE", path, linkage, user=scene.attendee).status_code == 403
