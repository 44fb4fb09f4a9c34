"""What a worker is given at a time is bounded by its size too, and no event is left out for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import samples

if TYPE_CHECKING:
    import psycopg

_TAKE = "SELECT event_id, search_version, octet_length(lines) FROM oeventdb_internal.search_take(1000)"
_ACKNOWLEDGE = "SELECT oeventdb_internal.search_acknowledge(%s::bigint[], %s::bigint[])"


def test_long_documents_come_in_parts(db: psycopg.Connection) -> None:
    for length in (20_000_000, 1_000_000, *(250_000 for _ in range(100))):
        samples.event(db, description="x" * length)
    deleted = samples.event(db, description="x" * 20_000_000)
    db.execute("UPDATE public.events SET state = 'draft' WHERE id = %s", (deleted,))
    parts = []
    while taken := db.execute(_TAKE).fetchall():
        parts.append([size for _, _, size in taken])
        db.execute(_ACKNOWLEDGE, ([row[0] for row in taken], [row[1] for row in taken]))
    assert sum(map(len, parts)) == 103
    assert len(parts[0]) == 1
    assert all(sum(part) < 9_000_000 for part in parts[1:])
    assert len(parts) <= 6
