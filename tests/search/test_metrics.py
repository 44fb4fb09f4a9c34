"""The metrics of sync: counters of this process, the lag of the database."""

from __future__ import annotations

import socket
import struct
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from oeventdb import search
from oeventdb.connection import connect
from oeventdb.search.metrics import METRICS, served
from tests import samples
from tests.docs import reading

if TYPE_CHECKING:
    import psycopg


def scrape(port: int) -> dict[str, float]:
    """Return the metrics by name."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines if line[0] != "#")}


def test_what_is_scraped(db: psycopg.Connection, migrated: str) -> None:
    samples.event(db)
    samples.event(db)
    with served(0, migrated, search.Totals(documents=12_345_678, dead=1, errors=2)) as port:
        found = scrape(port)
        assert found.pop("oeventdb_sync_lag_seconds") > 0
        assert found == {
            "oeventdb_sync_documents_total": 12_345_678,
            "oeventdb_sync_refused_total": 1,
            "oeventdb_sync_errors_total": 2,
            "oeventdb_sync_pending": 2,
            "oeventdb_sync_dead_letters": 0,
        }
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/else", timeout=10)


def test_parameters_of_a_scrape_do_not_matter() -> None:
    with (
        served(0, "postgresql://localhost:1/none", search.Totals()) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics?module=search", timeout=10) as answer,
    ):
        assert answer.status == 200


def test_each_is_explained_to_whoever_runs_it() -> None:
    page = reading.ROOT.joinpath("docs/how-to/run-sync.md").read_text()
    assert [row for row in METRICS if "| `{}` | {} | {} |".format(*row) not in page] == []
    assert page.count("| `oeventdb_sync_") == len(METRICS)


def test_without_the_database_the_counters_are_still_there() -> None:
    with served(0, "postgresql://localhost:1/none", search.Totals(documents=5)) as port:
        assert set(scrape(port)) == {
            "oeventdb_sync_documents_total",
            "oeventdb_sync_refused_total",
            "oeventdb_sync_errors_total",
        }


def test_clients_that_go_away_or_say_nothing_are_no_news(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("oeventdb.search.metrics._LONGEST_SILENCE", 0.2)
    with served(0, "postgresql://localhost:1/none", search.Totals()) as port:
        for said in (b"", b"GET /metrics HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(said)
                # closed at once, with a reset
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            assert client.recv(1) == b""
        assert scrape(port)["oeventdb_sync_errors_total"] == 0
    assert capsys.readouterr().err == ""


def test_a_database_that_does_not_answer_keeps_one_connection_however_often_it_is_scraped(
    db: psycopg.Connection, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oeventdb.search.metrics._LONGEST_LOOK", 0.5)
    opened: list[psycopg.Connection] = []
    most = 0

    def counted(dsn: str, **kwargs: Any) -> psycopg.Connection:
        nonlocal most
        connection = connect(dsn, **kwargs)
        opened.append(connection)
        most = max(most, sum(not each.closed for each in opened))
        return connection

    monkeypatch.setattr("oeventdb.search.metrics.connect", counted)
    with served(0, migrated, search.Totals(documents=5)) as port:
        with db.transaction():
            db.execute("LOCK TABLE oeventdb_internal.search_outbox IN ACCESS EXCLUSIVE MODE")
            with ThreadPoolExecutor(8) as scrapers:
                found = list(scrapers.map(scrape, [port] * 8))
        assert [each["oeventdb_sync_documents_total"] for each in found] == [5] * 8
        assert [each for each in found if "oeventdb_sync_pending" in each] == []
        assert most == 1
        assert scrape(port)["oeventdb_sync_pending"] == 0
