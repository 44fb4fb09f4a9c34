"""Who acknowledges holds versions that a writer may want next, so no writer is waited for: it would be a deadlock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import samples

if TYPE_CHECKING:
    from tests.procedures.sessions import Session, Stage

_VERSIONS = "SELECT event_id, search_version FROM oeventdb_internal.search_versions WHERE event_id = ANY (%s)"
_WAITING = "SELECT event_id FROM oeventdb_internal.search_outbox WHERE event_id = ANY (%s)"
_ACKNOWLEDGE = "SELECT oeventdb_internal.search_acknowledge(%s::bigint[], %s::bigint[])"
_CHANGE = "UPDATE events SET name = 'changed' WHERE id = %s"


@pytest.mark.parametrize(
    "removed", [True, False], ids=["inserted again", "changed under a lock of the table"]
)
def test_a_writer_of_one_event_that_goes_on_to_another(stage: Stage, setup: Session, removed: bool) -> None:
    events = [samples.event(setup.connection) for _ in range(2)]
    first, second = events
    if removed:
        setup.run("DELETE FROM events WHERE id = %s", [first])
    versions = setup.run(_VERSIONS, [events])
    writer, worker = stage.session(), stage.session(lock_timeout="2s")
    writer.begin()
    if removed:
        samples.event(writer.connection, id=first)
    else:
        writer.run("LOCK TABLE events IN EXCLUSIVE MODE")
        writer.run(_CHANGE, [first])
    worker.begin()
    assert worker.value(_ACKNOWLEDGE, list(map(list, zip(*versions, strict=True)))) == 1
    going_on = writer.start(_CHANGE, [second])
    stage.blocked(writer, going_on, by=worker)
    worker.commit()
    going_on.result()
    writer.commit()
    assert sorted(setup.run(_WAITING, [events])) == [(first,), (second,)]


def test_what_was_queued_by_hand_gets_a_version(setup: Session) -> None:
    known, unknown, gone = samples.event(setup.connection), samples.event(setup.connection), -1
    setup.run("DELETE FROM oeventdb_internal.search_versions WHERE event_id = %s", [unknown])
    setup.run("INSERT INTO oeventdb_internal.search_outbox (event_id) VALUES (%s)", [gone])
    events = [known, unknown, gone]
    assert setup.value(_ACKNOWLEDGE, [events, [1, 1, 0]]) == 3
    assert setup.run(_WAITING, [events]) == []
    assert sorted(setup.run(_VERSIONS, [events])) == [(gone, 1), (known, 1), (unknown, 1)]
