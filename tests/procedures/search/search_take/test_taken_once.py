"""A changed event is at one worker at a time, whether workers take what comes or name what they want."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import samples

if TYPE_CHECKING:
    from tests.procedures.sessions import Session, Stage

ANY = "SELECT event_id FROM oeventdb_internal.search_take(1000)"
NAMED = "SELECT event_id FROM oeventdb_internal.search_take(1000, ARRAY[%s::bigint])"


@pytest.mark.parametrize(("first", "second"), [(ANY, ANY), (ANY, NAMED), (NAMED, ANY), (NAMED, NAMED)])
def test_what_one_worker_has_no_other_gets(stage: Stage, setup: Session, first: str, second: str) -> None:
    event = samples.event(setup.connection)
    one, other = stage.session(), stage.session()
    one.begin()
    assert (event,) in one.run(first, [event] if first is NAMED else None)
    wanted = [event] if second is NAMED else None
    assert (event,) not in other.run(second, wanted)
    one.rollback()
    assert (event,) in other.run(second, wanted)
