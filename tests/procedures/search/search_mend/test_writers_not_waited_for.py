"""Who mends holds events and versions that a writer may want next, so no writer is waited for: it would be a deadlock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import samples

if TYPE_CHECKING:
    from tests.procedures.sessions import Session, Stage

_MEND = "SELECT oeventdb_internal.search_mend(%s::bigint[], %s::bigint[])"


def test_an_event_that_is_being_inserted_again_is_passed_over(stage: Stage, setup: Session) -> None:
    again, other, gone = (samples.event(setup.connection) for _ in range(3))
    setup.run("DELETE FROM events WHERE id = ANY (%s)", [[again, gone]])
    writer, mender = stage.session(), stage.session(lock_timeout="2s")
    writer.begin()
    samples.event(writer.connection, id=again)
    assert mender.value(_MEND, [[again, other, gone], [1, 1, 1]]) == 1
    writer.commit()
    assert mender.value(_MEND, [[again, other, gone, -2], [1, 1, 1, 1]]) == 0
