"""The migration on the page about new rules passes the linter and can be run twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests import samples
from tests.docs import reading
from tools import lint_sql

if TYPE_CHECKING:
    from pathlib import Path

BLOCKS = [block.text for block in reading.blocks(reading.DOCS / "how-to" / "new-rule.md")]
MIGRATION = next(text for text in BLOCKS if text.count("CONSTRAINT tickets_free_price") > 1 and "--" in text)


def test_the_linter_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "0011.free-tickets.sql").write_text(MIGRATION)
    monkeypatch.setattr(lint_sql, "MIGRATIONS", tmp_path)
    monkeypatch.setattr(lint_sql, "ROOT", tmp_path)
    (tmp_path / ".squawk.toml").write_text((reading.ROOT / ".squawk.toml").read_text("utf-8"))
    assert lint_sql.squawk() == []


def test_it_can_be_run_twice_and_keeps_the_rule(db: psycopg.Connection) -> None:
    for _ in range(2):
        db.execute(MIGRATION.encode())
    event = samples.event(db)
    with pytest.raises(psycopg.errors.CheckViolation, match="tickets_free_price"):
        samples.ticket(db, event, type="free", price=1)
