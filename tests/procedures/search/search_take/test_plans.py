"""A worker keeps its plans for as long as it runs: those that it made while the outbox was empty have to do when it is full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import samples

if TYPE_CHECKING:
    import psycopg

_TAKE = "SELECT event_id, search_version FROM oeventdb_internal.search_take(%s)"
_NAMED = "SELECT event_id, search_version FROM oeventdb_internal.search_take(%s, %s::bigint[])"
_ACKNOWLEDGE = "SELECT oeventdb_internal.search_acknowledge(%s::bigint[], %s::bigint[])"
_SCANNED = """
SELECT relname, seq_scan FROM pg_stat_xact_user_tables
WHERE seq_scan > 0 AND relname IN ('search_outbox', 'search_versions', 'search_dead_letters')
"""


def test_nothing_is_read_from_end_to_end(db: psycopg.Connection) -> None:
    """The tables are known to be empty, as they are when a worker starts beside an idle database."""
    db.execute("VACUUM ANALYZE")
    with db.transaction():
        assert db.execute(_TAKE, (2,)).fetchall() == []
        events = [samples.event(db) for _ in range(4)]
        for number in range(10):
            db.execute("UPDATE public.events SET name = %s", (f"Conference {number}",))
            taken = db.execute(_TAKE, (2,)).fetchall() + db.execute(_NAMED, (2, events[2:])).fetchall()
            assert sorted(event for event, _ in taken) == events
            acknowledged = db.execute(_ACKNOWLEDGE, tuple(map(list, zip(*taken, strict=True)))).fetchone()
            assert acknowledged == (4,)
        assert db.execute(_SCANNED).fetchall() == []
