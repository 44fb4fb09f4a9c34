"""The Python examples of the documentation run as they stand."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy.engine import URL

from tests.docs.reading import DOCS, blocks

PAGE = DOCS / "how-to" / "call-from-python.md"
EXPECTED = ["4.5", "4.50", "OE404 {'id': 404404, 'resource': 'event'}", "2.5"]


def test_the_examples_run(dsn: str, event_id: int, user_id: int, capsys: pytest.CaptureFixture[str]) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    names = {
        "dsn": dsn,
        "event_id": event_id,
        "user_id": user_id,
        "sqlalchemy_url": URL.create(
            "postgresql+psycopg", query={key: str(value) for key, value in parts.items()}
        ),
    }
    examples = [block.text for block in blocks(PAGE) if block.language == "python"]
    assert len(examples) >= 5
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), names)  # noqa: S102
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line in EXPECTED] == EXPECTED
