"""The Python examples of the page on HTTP run as they stand, and its table names every route."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oeventdb.flask.routes import ROUTES
from tests.flask.http import KEY

if TYPE_CHECKING:
    import pytest

    from tests.flask.conftest import Scene

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


def test_the_table_names_every_route() -> None:
    table = re.sub(r"<[^>]*>", "<>", PAGE)
    for route in ROUTES:
        assert re.sub(r"<[^>]*>", "<>", f"/v1{route.path}") in table
