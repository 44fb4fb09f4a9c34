"""sync beside long transactions: what somebody is changing keeps nothing else waiting."""

from __future__ import annotations

import itertools
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import schema, search
from oeventdb.search import outbox
from tests import samples
from tests.search.test_reindex import documents
from tests.search.test_sync import NUMBERED, lag
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy


@contextmanager
def held(db: psycopg.Connection, migrated: str, **columns: object) -> Iterator[psycopg.Connection]:
    """Who is changing an event that waits in the outbox longer than any other."""
    event = samples.event(db, **columns)
    with psycopg.connect(migrated) as other:
        other.execute("UPDATE events SET name = 'not yet' WHERE id = %s", (event,))
        yield other
        other.rollback()


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each worker take one event at a time, as it does where that has 8 MB."""
    monkeypatch.setattr(outbox, "step", partial(outbox.step, batch=1))


@pytest.mark.usefixtures("one_at_a_time")
def test_to_sync_once_brings_the_rest_beside_a_long_transaction(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    with held(db, migrated):
        hidden = samples.event(db, privacy="private")
        done = search.sync(migrated, elastic.url, alias=elastic.alias, once=True, workers=1)
        assert done.documents == 3  # the held one again, at the end
        elastic.ask("POST", f"/{elastic.alias}/_refresh")
        assert hidden in elastic.documents()
        assert lag(db) == (1, 0)


@pytest.mark.usefixtures("one_at_a_time")
def test_changes_go_on_beside_a_long_transaction(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    stop = threading.Event()
    arguments = {"alias": elastic.alias, "workers": 1, "stop": stop}
    with held(db, migrated):
        worker = threading.Thread(target=search.sync, args=(migrated, elastic.url), kwargs=arguments)
        worker.start()
        try:
            samples.event(db)
            until(lambda: lag(db) == (1, 0))
        except BaseException:
            stop.set()
            raise
    until(lambda: lag(db) == (0, 0))
    stop.set()
    worker.join(20)
    elastic.ask("POST", f"/{elastic.alias}/_refresh")
    assert elastic.documents() == documents(db)


def test_those_that_had_another_turn_longest_ago_have_the_next_and_none_goes_before_the_others(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    left = outbox.Left(0.0)
    with (
        held(db, migrated),
        held(db, migrated),
        schema.connect(migrated, autocommit=True) as worker,
        search.Cluster(elastic.url) as cluster,
    ):

        def sent(*, again: bool) -> list[int]:
            only = left.due(2) if again else None
            return [*outbox.step(worker, cluster, elastic.alias, batch=1, only=only, left=left).sent]

        first, second = sent(again=False) + sent(again=False)
        new = samples.event(db)
        assert sent(again=True) + sent(again=True) + sent(again=True) == [first, second, first]
        assert sent(again=False) == [new]
        assert set(left.ids()) == {first, second}


def test_a_poison_document_that_somebody_is_changing_is_not_sent_all_the_time(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy
) -> None:
    search.reindex(migrated, elastic.url, alias=elastic.alias, definition=NUMBERED)
    requests = itertools.count(1)
    with held(db, migrated, name="poison") as other:

        def give_up(chunk: bytes) -> bool:
            if b"_bulk" in chunk and next(requests) == 20:
                other.rollback()
            return True

        proxy.verdict = give_up
        search.sync(migrated, proxy.url, alias=elastic.alias, once=True, workers=1)
        assert next(requests) < 20
        assert lag(db) == (1, 1)
