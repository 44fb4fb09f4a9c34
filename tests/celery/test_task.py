"""The task and its schedule, as an application that imports them sees them."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded

from oeventdb import search
from oeventdb.celery import BEAT_SCHEDULE, TASK, rebuild
from oeventdb.errors import DatabaseUnreachable, OperationError, Refused, SearchUnreachable
from oeventdb.search.bulk import BulkFailed
from tests.docs import reading

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.startswith("OEVENTDB_"):
            monkeypatch.delenv(variable)


def test_it_has_the_name_that_applications_call_it_by() -> None:
    assert TASK == rebuild.name == "rebuild.events.elasticsearch"


def test_every_application_that_includes_the_module_has_the_task() -> None:
    with Celery(set_as_current=False) as app:
        assert TASK in app.tasks


def test_the_page_names_the_file_that_its_commands_start() -> None:
    page = reading.DOCS / "how-to" / "run-sync.md"
    applications = [block.title for block in reading.blocks(page) if " = Celery(" in block.text]
    started = re.findall(r"^    celery -A (\w+) ", page.read_text("utf-8"), re.MULTILINE)
    assert applications == [f"{name}.py" for name in set(started)]


def test_the_schedule_sends_it_once_a_week() -> None:
    [entry] = BEAT_SCHEDULE.values()
    assert entry["task"] == TASK
    assert "args" not in entry
    assert "kwargs" not in entry
    sent = [datetime(2026, 11, 4, tzinfo=UTC)]
    for _ in range(3):
        last, step, _ = entry["schedule"].remaining_delta(sent[-1])
        sent.append(last + step)
    assert [(when.day, when.hour, when.minute) for when in sent[1:]] == [(8, 4, 0), (15, 4, 0), (22, 4, 0)]


def test_without_a_dsn_it_refuses_in_one_line_that_says_how_to_give_one() -> None:
    with pytest.raises(
        Refused, match=r"^no database given: set OEVENTDB_DSN in the environment of .*worker$"
    ):
        rebuild()


def test_settings_that_cannot_be_used_are_refused_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OEVENTDB_DSN", "postgresql://127.0.0.1:1/none")
    monkeypatch.setenv("OEVENTDB_REINDEX_KEEP", "-1")
    with pytest.raises(Refused, match="OEVENTDB_REINDEX_KEEP is not a number"):
        rebuild()
    monkeypatch.setenv("OEVENTDB_REINDEX_KEEP", "2")
    monkeypatch.setenv("OEVENTDB_REINDEX_INDEX_SETTINGS", str(tmp_path / "nowhere.json"))
    with pytest.raises(OperationError, match=r"nowhere\.json"):
        rebuild()


@pytest.mark.parametrize(
    ("raised", "kind", "line"),
    [
        (Refused("no", hint="say yes"), Refused, "no (say yes)"),
        (BulkFailed("1 of 2 documents were refused"), BulkFailed, "1 of 2 documents were refused"),
        (SearchUnreachable("gone"), SearchUnreachable, "gone"),
        (psycopg.OperationalError("gone\naway"), DatabaseUnreachable, "gone away"),
        (psycopg.errors.InsufficientPrivilege("no right"), OperationError, "InsufficientPrivilege: no right"),
        (SoftTimeLimitExceeded(), OperationError, "it took longer than its soft time limit"),
        (
            RuntimeError("at http://me:geheim@h:1 with geheim"),
            OperationError,
            "RuntimeError: at http://me:***@h:1 with ***",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_every_failure_is_one_line_without_secrets_that_another_process_can_read(
    raised: Exception, kind: type[OperationError], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OEVENTDB_DSN", "postgresql://me:geheim@127.0.0.1:1/none")

    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(search, "reindex", fail)
    with pytest.raises(OperationError) as caught:
        rebuild()
    assert (type(caught.value), str(caught.value)) == (kind, line)
    assert caught.value.__context__ is caught.value.__cause__ is None
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (type(copy), str(copy)) == (kind, line)


def test_without_a_limit_it_is_tried_until_the_server_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OEVENTDB_DSN", "postgresql://127.0.0.1:1/none")
    monkeypatch.setattr(rebuild, "max_retries", None)
    failures = iter([SearchUnreachable("gone")] * 5)

    def reindex(*_: object, **__: object) -> search.Reindexed:
        for failure in failures:
            raise failure
        return search.Reindexed("events-1", "events", 0, 0.0)

    monkeypatch.setattr(search, "reindex", reindex)
    assert rebuild.apply().get()["index"] == "events-1"


def test_no_other_module_imports_celery() -> None:
    importing = {
        path.name
        for path in (ROOT / "oeventdb").rglob("*.py")
        if re.search(r"^\s*(?:from|import) (?:oeventdb\.)?celery\b", path.read_text("utf-8"), re.MULTILINE)
    }
    assert importing == {"celery.py"}
    code = "import sys, oeventdb.cli, oeventdb.search; sys.exit('celery' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
