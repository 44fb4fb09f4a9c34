"""Asked to stop, sync finishes the batches under way and says that all is well."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

from oeventdb import search
from tests.search.test_reindex import documents
from tests.search.test_sync import lag, running

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
