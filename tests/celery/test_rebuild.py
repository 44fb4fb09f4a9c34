"""The task rebuild.events.elasticsearch, run by a real worker that a real Redis tells to."""

from __future__ import annotations

import re
import threading

import psycopg
import pytest
from celery import Celery
from celery.result import AsyncResult

from oeventdb import search
from oeventdb.errors import OperationError, Refused, SearchUnavailable
from tests import samples
from tests.celery.conftest import PASSWORD, Process, Stage
from tests.waiting import until

TASK = "rebuild.events.elasticsearch"
REFUSED = (
    b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
)

SOON = 60


def failure(result: AsyncResult[object]) -> Exception:
    """Wait for a task that fails, and return its exception."""
    with pytest.raises(OperationError) as caught:
        result.get(timeout=SOON)
    return caught.value


def assert_no_secret(worker: Process, result: AsyncResult[object]) -> None:
    """The password is neither in the log nor in anything that is kept of the task."""
    kept = repr(result.backend.get_task_meta(result.id))
    assert PASSWORD not in kept
    assert PASSWORD not in worker.said()


def told(worker: Process, event: str) -> int:
    """How often the worker has logged such an event of a task."""
    return len(re.findall(rf"Task {re.escape(TASK)}\[[^]]+\] (?:{event})", worker.said()))


def test_a_worker_rebuilds_the_index(
    stage: Stage, app: Celery, worker: Process, connection: psycopg.Connection
) -> None:
    before = search.reindex(stage.dsn, stage.elastic.url, alias=stage.elastic.alias).index
    event = samples.event(connection, name="PyCon DE")
    result = app.send_task(TASK)
    done = result.get(timeout=SOON)
    assert sorted(done) == ["alias", "documents", "index", "seconds"]
    assert (done["alias"], done["documents"]) == (stage.elastic.alias, 1)
    assert stage.elastic.behind() == [done["index"]] != [before]
    found = search.search(stage.elastic.url, "pycon", alias=stage.elastic.alias)
    assert [hit.id for hit in found.hits] == [event]
    assert_no_secret(worker, result)


def test_a_second_rebuild_is_refused_and_the_first_goes_on(
    stage: Stage, app: Celery, worker: Process, connection: psycopg.Connection
) -> None:
    samples.event(connection)
    with stage.hold() as begun:
        first = app.send_task(TASK)
        assert begun.wait(SOON)
        second = app.send_task(TASK)
        refused = failure(second)
    assert isinstance(refused, Refused)
    assert f"another reindex of {stage.elastic.alias} is running" in str(refused)
    done = first.get(timeout=SOON)
    assert stage.elastic.behind() == [done["index"]]
    assert_no_secret(worker, second)


def test_an_elasticsearch_that_refuses_fails_the_task_with_one_line(
    stage: Stage, app: Celery, worker: Process
) -> None:
    live = stage.elastic.behind()
    with stage.proxied(lambda _: REFUSED):
        result = app.send_task(TASK)
        refused = failure(result)
    assert isinstance(refused, SearchUnavailable)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+ refuses these credentials \(HTTP 401\) .*", str(refused))
    until(lambda: re.search(rf"\[{result.id}\] raised \w+: ", worker.said()), SOON)
    assert f"was not rebuilt: {refused}\n" in worker.said()
    assert "Traceback" not in worker.said()
    assert stage.elastic.behind() == live
    assert_no_secret(worker, result)


def test_an_elasticsearch_that_is_away_is_asked_again(stage: Stage, app: Celery, worker: Process) -> None:
    asked = iter(range(1_000_000))
    with stage.proxied(lambda _: True if next(asked) else None):
        result = app.send_task(TASK)
        done = result.get(timeout=SOON)
    assert stage.elastic.behind() == [done["index"]]
    assert "waits to be rebuilt: no answer from" in worker.said()
    assert_no_secret(worker, result)


def test_its_soft_time_limit_ends_it_in_the_middle_of_a_request(
    stage: Stage, app: Celery, worker: Process
) -> None:
    live = stage.elastic.behind()
    released = threading.Event()

    def verdict(chunk: bytes) -> bool:
        return b"/_refresh" not in chunk or not released.wait(SOON * 2)

    with stage.proxied(verdict):
        result = app.send_task(TASK, soft_time_limit=3)
        try:
            late = failure(result)
        finally:
            released.set()
    assert str(late) == "it took longer than its soft time limit"
    assert stage.elastic.behind() == live
    assert_no_secret(worker, result)


def test_beat_sends_the_task_by_its_schedule(stage: Stage, app: Celery, worker: Process) -> None:
    assert worker.popen.poll() is None
    before = stage.elastic.behind()
    schedule = stage.directory / "schedule"
    with stage.celery("beat", "--schedule", str(schedule), "--max-interval=1"):
        until(lambda: stage.elastic.behind() not in (before, []), SOON)
    # beat may have sent more: once a later one has ended all have been received, and they end before the next test
    app.send_task(TASK).get(timeout=SOON, propagate=False)
    until(lambda: told(worker, "received") == told(worker, "succeeded|raised|retry"), SOON)


def test_killed_in_the_middle_it_leaves_the_live_index_and_is_run_again(
    stage: Stage, app: Celery, connection: psycopg.Connection
) -> None:
    live = search.reindex(stage.dsn, stage.elastic.url, alias=stage.elastic.alias).index
    samples.event(connection)
    with stage.worker("doomed") as worker:
        with stage.hold() as begun:
            result = app.send_task(TASK, queue="doomed")
            assert begun.wait(SOON)
            worker.kill()
        assert stage.elastic.behind() == [live]
        assert not result.ready()
    # when it starts, and then not for minutes, a worker asks Redis for messages that were not acknowledged in this time
    with stage.worker("doomed", VISIBILITY_TIMEOUT="0"):
        done = result.get(timeout=SOON)
    assert stage.elastic.behind() == [done["index"]] != [live]
    assert sorted(stage.elastic.indices()) == sorted([live, done["index"]])
