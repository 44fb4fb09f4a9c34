"""The Python examples of the page on HTTP run as they stand, and its table names every route."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from oeventdb.flask.routes import ROUTES
from tests import samples
from tests.docs.reading import DOCS, blocks
from tests.flask.http import KEY

if TYPE_CHECKING:
    import psycopg
    import pytest

    from tests.flask.conftest import Scene
    from tests.flask.http import Api

PAGE = DOCS / "how-to" / "serve-over-http.md"


def examples(language: str) -> list[str]:
    """What the page shows in a language."""
    return [block.text for block in blocks(PAGE) if block.language == language]


def test_the_examples_run(dsn: str, scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {
        "__name__": "example",
        "dsn": dsn,
        "event_id": scene.event,
        "key": KEY,
        "elasticsearch_url": "http://127.0.0.1:1",
    }
    for example in examples("python"):
        exec(compile(example, str(PAGE), "exec"), names)  # noqa: S102
    assert "200 OK application/vnd.api+json" in capsys.readouterr().out
    with names["app"].test_request_context(headers={"Cookie": f"user={scene.organizer}"}) as context:
        assert names["session_user"](context.request) is None, "a cookie that anybody can write is nobody"


def test_the_table_names_every_route() -> None:
    table = re.sub(r"<[^>]*>", "<>", PAGE.read_text("utf-8"))
    for route in ROUTES:
        assert re.sub(r"<[^>]*>", "<>", f"/v1{route.path}") in table


def test_the_error_that_it_shows_is_the_one_that_comes(
    api: Api, db: psycopg.Connection, scene: Scene
) -> None:
    [shown] = examples("json")
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
