"""The Python examples of the page on HTTP run as they stand, and its table names every route."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oeventdb.flask.routes import ROUTES
from tests import samples
from tests.flask.http import KEY

if TYPE_CHECKING:
    import psycopg
    import pytest

    from tests.flask.conftest import Scene
    from tests.flask.http import Api

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "serve-over-http.md").read_text()


def test_the_examples_run(dsn: str, scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {
        "__name__": "example",
        "dsn": dsn,
        "event_id": scene.event,
        "key": KEY,
        "elasticsearch_url": "http://127.0.0.1:1",
    }
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "serve-over-http.md", "exec"), names)  # noqa: S102
    assert "200 OK application/vnd.api+json" in capsys.readouterr().out
    with names["app"].test_request_context(headers={"Cookie": f"user={scene.organizer}"}) as context:
        assert names["session_user"](context.request) is None, "a cookie that anybody can write is nobody"


def test_the_table_names_every_route() -> None:
    table = re.sub(r"<[^>]*>", "<>", PAGE)
    for route in ROUTES:
        assert re.sub(r"<[^>]*>", "<>", f"/v1{route.path}") in table


def test_the_error_that_it_shows_is_the_one_that_comes(
    api: Api, db: psycopg.Connection, scene: Scene
) -> None:
    [shown] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    ticket = samples.ticket(db, scene.event, name="Full", quantity=0)
    attendee = {
        "type": "attendee",
        "attributes": {"firstname": "Ada", "lastname": "Lovelace"},
        "relationships": {"ticket": {"data": {"type": "ticket", "id": str(ticket)}}},
    }
    answer = api("POST", "/v1/attendees", {"data": attendee}, user=scene.organizer)
    expected = json.loads(shown.replace("ticket 7 ", f"ticket {ticket} ").replace(": 7,", f": {ticket},"))
    expected["errors"][0]["meta"]["hint"] = answer.errors[0]["meta"]["hint"]
    assert answer.document == expected
