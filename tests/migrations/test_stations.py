"""A database may stay for weeks between two migrations: what is there meanwhile is as closed as what is there at last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oeventdb import schema
from tests.migrations.surroundings import query

if TYPE_CHECKING:
    from collections.abc import Callable

OPEN_TO_ALL = """
SELECT p.oid::regprocedure::text FROM pg_proc AS p
CROSS JOIN LATERAL aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a
WHERE a.grantee = 0 AND p.pronamespace::regnamespace::text IN ('oeventdb', 'oeventdb_internal')
ORDER BY 1
"""


def found(dsn: str) -> dict[str, list[str]]:
    """The functions of ours that everybody may call, by station, on the way up and down again."""
    ids = [migration.id for migration in schema.load()]
    at: dict[str, list[str]] = {}
    for number in ids:
        schema.migrate(dsn, to=number)
        at[f"up to {number}"] = [str(name) for (name,) in query(dsn, OPEN_TO_ALL)]
    for number in reversed(ids[:-1]):
        schema.rollback(dsn, to=number)
        at[f"down to {number}"] = [str(name) for (name,) in query(dsn, OPEN_TO_ALL)]
    return at


def test_nobody_else_may_call_our_functions(new_database: Callable[[str], str]) -> None:
    dsn = new_database("template0")
    assert {station: names for station, names in found(dsn).items() if names} == {}
