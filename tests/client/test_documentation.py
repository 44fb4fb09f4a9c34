"""The Python examples of the documentation run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import URL

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "call-from-python.md"
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
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line in EXPECTED] == EXPECTED
