"""The demo does the main job end to end, and leaves nothing behind on servers that it does not own."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from rich.console import Console

from oeventdb.cli import main
from oeventdb.cli.storyteller import Storyteller
from oeventdb.demo import conferences
from oeventdb.demo.story import Quarantined
from oeventdb.schema.journal import JournalReason
from oeventdb.search import Cluster
from oeventdb.search.indices import Indices
from oeventdb.servers import java
from tests.cli.running import one_line, run

if TYPE_CHECKING:
    from oeventdb.servers.postgres import Postgres


def demo_databases(postgres: Postgres) -> list[str]:
    with psycopg.connect(postgres.dsn) as connection:
        rows = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'oeventdb_demo_%'"
        ).fetchall()
    return [row[0] for row in rows]


@pytest.fixture(scope="module")
def told(postgres: Postgres, elasticsearch: str) -> dict[str, Any]:
    """What the demo tells as JSON, on servers that are named."""
    result = run(main, "demo", "--json", "--dsn", postgres.dsn, "--elasticsearch-url", elasticsearch)
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout))


def test_the_dirt_is_found_and_mended(told: dict[str, Any]) -> None:
    broken = {rule["rule"]: rule["violations"] for rule in told["audit"]}
    assert told["rows"]["events"] == 6000
    for rule in (
        "rating_unreadable",
        "ticket_oversold",
        "holder_event_missing",
        "discount_code_tickets_claimed_twice",
    ):
        assert broken[rule] > 50
        assert rule not in told["left"]
    assert told["applied"][0] == "0002.foundations"


def test_in_a_terminal_of_80_columns_what_is_long_gives_way_and_names_stay_whole() -> None:
    shown = io.StringIO()
    console = Console(file=shown, width=80, highlight=False)
    reason = "event contradicted the ticket, corrected"
    found = [
        Quarantined(JournalReason("discount_codes", reason, 2_994, 1), "1: '11, 12, 13', and more"),
        Quarantined(JournalReason("ticket_holders", reason, 303, 2), "59: rated ' 4 '"),
    ]
    Storyteller(console).quarantine(found)
    lines = shown.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines)
    for name in ("entries", "discount_codes", "ticket_holders", "event contradicted", "59: rated"):
        assert any(name in line for line in lines), lines


def test_what_was_removed_is_in_quarantine(told: dict[str, Any]) -> None:
    removed = next(entry for entry in told["quarantine"] if entry["reason"].endswith("removed"))
    broken = {rule["rule"]: rule["violations"] for rule in told["audit"]}
    assert removed["entries"] == broken["ticket_oversold"]
    assert removed["example"]


def test_overselling_is_refused_and_a_holder_comes_back(told: dict[str, Any]) -> None:
    assert told["refused"]["sqlstate"] == "OE101"
    assert told["refused"]["statement"].startswith("INSERT INTO ticket_holders")
    assert told["restored"]["id"] > 0
    assert told["restored"]["admission_no"] > 0


def test_two_seats_are_sold_at_a_discount(told: dict[str, Any]) -> None:
    assert told["sale"]["placed"]["status"] == "pending"
    assert told["sale"]["completed"]["status"] == "completed"
    assert told["sale"]["placed"]["amount"] == "158.4"
    assert len(set(told["sale"]["admissions"])) == 2


def test_a_search_for_python_berlin_finds_real_conferences(told: dict[str, Any]) -> None:
    assert told["reindex"]["documents"] > 5000
    assert told["search"]["query"] == "python berlin"
    names = {hit["name"] for hit in told["search"]["hits"]}
    assert {"PyCon DE & PyData Berlin", "Berlin Python Pizza"} <= names


def test_nothing_is_left_on_servers_that_were_named(
    told: dict[str, Any], postgres: Postgres, elasticsearch: str
) -> None:
    assert demo_databases(postgres) == []
    with Cluster(elasticsearch) as cluster:
        assert Indices(cluster, told["reindex"]["alias"]).found() == []


def test_without_elasticsearch_the_documents_are_in_a_file(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(java, "java_home", lambda: None)
    monkeypatch.setattr("oeventdb.servers.docker.engine_answers", lambda: False)
    monkeypatch.delenv("COLUMNS", raising=False)
    some = conferences.read_conferences()[::10]
    monkeypatch.setattr(conferences, "read_conferences", lambda: some)
    result = run(main, "demo", "--dsn", postgres.dsn)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    story = result.stdout.splitlines()
    assert len(story) < 90
    assert max(map(len, story)) <= 110
    assert "ERROR:  OE101" in result.stdout
    assert "install" in result.stdout
    lines = (tmp_path / "oeventdb-demo.ndjson").read_text(encoding="utf-8").split("\n")
    assert len(lines) > 1_000
    assert "index" in json.loads(lines[0])
    assert "name" in json.loads(lines[1])


def test_without_elasticsearch_it_needs_no_directory_that_can_be_written(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/proc")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(java, "java_home", lambda: None)
    monkeypatch.setattr("oeventdb.servers.docker.engine_answers", lambda: False)
    some = conferences.read_conferences()[::100]
    monkeypatch.setattr(conferences, "read_conferences", lambda: some)
    result = run(main, "demo", "--json", "--dsn", postgres.dsn)
    assert result.exit_code == 0, result.stderr
    file = Path(json.loads(result.stdout)["file"]["path"])
    assert file.is_relative_to(tmp_path)
    assert "index" in json.loads(file.read_text(encoding="utf-8").split("\n")[0])


@pytest.mark.parametrize(
    ("option", "value", "status"),
    [
        ("--dsn", "postgresql://127.0.0.1:1/nowhere", 4),
        ("--elasticsearch-url", "http://127.0.0.1:1", 5),
    ],
)
def test_a_named_server_that_does_not_answer_is_said_at_once(
    postgres: Postgres, option: str, value: str, status: int
) -> None:
    others = ["--dsn", postgres.dsn] if option != "--dsn" else []
    result = run(main, "demo", *others, option, value)
    assert result.exit_code == status
    assert one_line(result)
    assert demo_databases(postgres) == []


@pytest.mark.parametrize("pause", [0, 0.05], ids=["just made", "in use"])
def test_an_interrupted_demo_takes_its_database_away(
    postgres: Postgres, elasticsearch: str, pause: float
) -> None:
    command = [
        sys.executable,
        "-m",
        "oeventdb",
        "demo",
        "--dsn",
        postgres.dsn,
        "--elasticsearch-url",
        elasticsearch,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 30
        while not demo_databases(postgres):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(pause)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert stderr.strip() == "interrupted"
    assert demo_databases(postgres) == []
