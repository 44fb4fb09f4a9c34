"""Asked to stop, sync finishes the batches under way and says that all is well."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from oeventdb import search
from tests import samples
from tests.search.test_reindex import documents
from tests.search.test_sync import lag, running
from tests.waiting import until

if TYPE_CHECKING:
    import psycopg

    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy


@pytest.mark.usefixtures("many")
def test_the_batch_under_way_is_finished(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy
) -> None:
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    db.execute("UPDATE events SET name = 'changed' WHERE id <= 100")
    asked = threading.Event()

    def hold(chunk: bytes) -> bool:
        if b"_bulk" in chunk and not asked.is_set():
            proxy.flowing.clear()
            asked.set()
        return True

    proxy.verdict = hold
    with running(migrated, elastic, proxy.url) as process:
        assert asked.wait(60)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert any("stops after the batches under way" in line for line in process.stderr)
        proxy.flowing.set()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "100 changes brought over" in said
    assert lag(db) == (0, 0)
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    assert elastic.documents() == documents(db)


def test_while_elasticsearch_does_not_answer_at_the_start(
    migrated: str, elastic: Elastic, proxy: Proxy
) -> None:
    asked = threading.Event()

    def hold(_: bytes) -> bool:
        asked.set()
        proxy.flowing.clear()
        return True

    proxy.verdict = hold
    with running(migrated, elastic, proxy.url) as process:
        assert asked.wait(60)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "0 changes brought over" in said


def test_while_nothing_is_to_be_done(db: psycopg.Connection, migrated: str, elastic: Elastic) -> None:
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    with running(migrated, elastic) as process:
        samples.event(db)
        until(lambda: lag(db) == (0, 0))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert "synced documents=1 " in said
    assert "Traceback" not in said


def test_whatever_a_signal_raises_ends_the_workers(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    def ask() -> None:
        try:
            until(lambda: lag(db) == (0, 0))
        finally:
            os.kill(os.getpid(), signal.SIGUSR1)

    search.reindex(migrated, elastic.url, alias=elastic.alias)
    samples.event(db)
    stop, asking = threading.Event(), threading.Thread(target=ask)
    former = signal.signal(signal.SIGUSR1, lambda *_: sys.exit(3))
    try:
        asking.start()
        with pytest.raises(SystemExit):
            search.sync(migrated, elastic.url, alias=elastic.alias, stop=stop)
        asking.join()
        assert [thread for thread in threading.enumerate() if thread.name == "sync"] == []
    finally:
        stop.set()
        signal.signal(signal.SIGUSR1, former)
