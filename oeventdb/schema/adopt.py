"""Taking over an existing Open Event database: verify its tables, then mark 0001 as applied.

What has to be there is what 0001 would create, as the manifest records it. An installation may
have integer keys, its columns in another order or of another length, other names for its
constraints, columns and tables of its own: all that stays as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oeventdb.connection import limit_waiting, value
from oeventdb.errors import Refused
from oeventdb.schema import catalog, grants, ledger, manifest, preconditions, runner, scripts
from oeventdb.schema.lock import KEY

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from oeventdb.schema.catalog import Thing
    from oeventdb.schema.manifest import Manifest, Things

_LENGTH = re.compile(r"\(\d+\)$")
_SAME_TYPES = {"integer": "bigint", "text": "character varying"}

_OTHERS = """
SELECT pg_catalog.count(*)
FROM pg_catalog.pg_class
WHERE relnamespace = pg_catalog.to_regnamespace('public') AND relkind IN ('r', 'p')
  AND relname <> ALL (%s)
"""

_NOT_OWNED = """
SELECT c.relname, pg_catalog.pg_get_userbyid(c.relowner)
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = pg_catalog.to_regnamespace('public')
  AND c.relname = ANY (%s)
  AND NOT pg_catalog.pg_has_role(CURRENT_USER, c.relowner, 'USAGE')
ORDER BY c.relname
"""

_UNFIT = """
SELECT t.relname, t.why
FROM (
    SELECT
        c.relname,
        CASE
            WHEN c.relkind = 'p' THEN 'is partitioned'
            WHEN c.relpersistence <> 'p' THEN 'is not logged: a crash would empty it'
            WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = c.oid)
                THEN 'has child tables, whose rows would get past the rules'
            WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid)
                THEN 'is a child of another table'
            WHEN c.reloftype <> 0
                THEN pg_catalog.format('is of the type %%s and takes no other columns: ALTER TABLE %%s NOT OF', c.reloftype::pg_catalog.regtype, c.oid::pg_catalog.regclass)
            ELSE (
                SELECT pg_catalog.format('has the rule %%s, which rewrites the statements of functions: make it a trigger', r.rulename)
                FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class = c.oid ORDER BY r.rulename LIMIT 1
            )
        END AS why
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = pg_catalog.to_regnamespace('public') AND c.relkind IN ('r', 'p') AND c.relname = ANY (%s)
) AS t
WHERE t.why IS NOT NULL
ORDER BY t.relname
"""

_ROWS = """
SELECT c.relname, GREATEST(c.reltuples, 0)::bigint
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = pg_catalog.to_regnamespace('public') AND c.relname = ANY (%s)
ORDER BY c.relname
"""


class NotAdoptable(Refused):
    """The database is not one of Open Event; `differences` says what is not as it should be."""

    def __init__(self, database: str, differences: list[str]) -> None:
        count = f"{len(differences)} difference{'s' if len(differences) > 1 else ''}"
        super().__init__(
            f"database {database!r} has not the tables of Open Event: {count}: " + "; ".join(differences),
            hint="nothing was changed",
        )
        self.differences = differences


@dataclass(frozen=True)
class Adoption:
    """What was taken over: rows (the planner's estimate) by table, and what else was seen."""

    migration: str
    tables: dict[str, int]
    other_tables: int
    notes: list[str]


def adopt(connection: psycopg.Connection[TupleRow]) -> Adoption:
    """Verify that the database has the legacy tables, and mark 0001 as applied.

    No table is touched but the ledger. The caller commits.
    Raises NotAdoptable with the differences, Refused where the database has a ledger already,
    the role may not change it, or another upgrader works on it.
    """
    with connection.transaction():
        limit_waiting(connection)
        migrations = runner.load()
        preconditions.require_usable(connection)
        _require_lock(connection)
        entries = ledger.read(connection)
        if entries:
            how = "adopted" if entries[0].adopted else "migrated"
            raise Refused(f"the database is {how} already", hint="run `oeventdb status`")
        preconditions.require_no_namesake(connection)
        release = manifest.load()
        preconditions.require_valid_checks(connection, release)
        live = catalog.read(connection, release.tables)
        differences = (
            _differences(release, live) + _unfit(connection, release) + _ownership(connection, release)
        )
        differences += preconditions.taken(connection, scripts.indexes(migrations))
        if differences:
            raise NotAdoptable(connection.info.dbname, differences)
        ledger.bootstrap(connection)
        ledger.mark_adopted(connection, migrations[0])
        grants.regrant(connection)
        others = value(connection, _OTHERS, (release.tables,))
        rows = connection.execute(_ROWS, (release.tables,)).fetchall()
        return Adoption(migrations[0].id, dict(rows), others, _notes(release, live))


def _require_lock(connection: psycopg.Connection[TupleRow]) -> None:
    if not value(connection, "SELECT pg_catalog.pg_try_advisory_xact_lock(%s)", (KEY,)):
        raise Refused("an upgrader works on this database", hint="wait for it and try again")


def _unfit(connection: psycopg.Connection[TupleRow], release: Manifest) -> list[str]:
    found = connection.execute(_UNFIT, (release.tables,)).fetchall()
    return [f"table {table} {why}" for table, why in found]


def _ownership(connection: psycopg.Connection[TupleRow], release: Manifest) -> list[str]:
    found = connection.execute(_NOT_OWNED, (release.tables,)).fetchall()
    return [f"table {table} belongs to {owner}" for table, owner in found]


def _differences(release: Manifest, live: Things) -> list[str]:
    wanted = list(release.legacy.values())
    found = [_table(thing, live) for thing in wanted if thing.kind == "table"]
    there = {thing.object for thing in live.values() if thing.kind == "table"}
    rest = [thing for thing in wanted if table_of(thing) in there]
    found += [_column(thing, live) for thing in rest if thing.kind == "column"]
    found += [_constraint(thing, live) for thing in rest if thing.kind == "constraint"]
    found += [_unfilled(thing, release) for thing in live.values() if thing.kind == "column"]
    found += [_in_the_way(thing, release) for thing in live.values()]
    return [difference for difference in found if difference]


def table_of(thing: Thing) -> str:
    """Return the table of a column, constraint or trigger, whose own name may have dots."""
    return ".".join(thing.object.split(".")[:2])


def _name(thing: Thing) -> str:
    return thing.object.removeprefix("public.")


def _table(wanted: Thing, live: Things) -> str | None:
    return None if wanted.key in live else f"table {_name(wanted)} is missing"


def base_type(column_type: str) -> str:
    """Return a type without what adopt does not ask for: a length, the width of integers."""
    without_length = _LENGTH.sub("", column_type)
    return _SAME_TYPES.get(without_length, without_length)


def _column(wanted: Thing, live: Things) -> str | None:
    has = live.get(wanted.key)
    if has is None:
        return f"column {_name(wanted)} is missing"
    types = (has.definition["type"], wanted.definition["type"])
    # narrower keys are well, wider numbers are more than the functions take
    if base_type(types[0]) != base_type(types[1]) or types == ("bigint", "integer"):
        return f"column {_name(wanted)} is {types[0]}, not {types[1]}"
    if wanted.definition["nullable"] == "not null" and has.definition["nullable"] == "null":
        return f"column {_name(wanted)} may be NULL"
    if "collation" in has.definition:
        return f"column {_name(wanted)} has a nondeterministic collation, under which codes and states are ambiguous"
    if "identity" in wanted.definition and not {"identity", "default"} & has.definition.keys():
        return f"column {_name(wanted)} has no sequence"
    return None


def _constraint(wanted: Thing, live: Things) -> str | None:
    table = table_of(wanted)
    definition = wanted.definition["definition"]
    for thing in live.values():
        same = thing.kind == "constraint" and table_of(thing) == table
        if same and thing.definition["definition"] == definition:
            return None
    return f"table {table.removeprefix('public.')} has no {definition}"


def _unfilled(has: Thing, release: Manifest) -> str | None:
    """Refuse a column of the installation's own that our functions could not leave out."""
    if not has.object.startswith("public.") or has.key in release.legacy:
        return None
    filled = {"default", "identity", "generated"} & has.definition.keys()
    if has.definition["nullable"] == "not null" and not filled:
        return f"column {_name(has)} is NOT NULL without a default"
    return None


def _in_the_way(has: Thing, release: Manifest) -> str | None:
    """Refuse what has the name of something that a migration adds to its table, and a rollback would drop."""
    # an index is found by its name alone, on whatever table
    if has.kind == "index" or not has.object.startswith("public."):
        return None
    if has.key in release.legacy or has.key not in release.objects:
        return None
    return f"{has.kind} {_name(has)} has a name that a migration needs: rename it"


def _notes(release: Manifest, live: Things) -> list[str]:
    """Say in what this installation differs from a fresh one, as far as that is allowed."""
    notes = []
    columns = [thing for thing in live.values() if thing.kind == "column"]
    keys = [t for t in columns if t.definition["type"] == "integer" and _is_bigint(t, release)]
    if keys:
        notes.append(f"{len(keys)} key columns are integer: their values end at 2147483647")
    own = [_name(t) for t in columns if t.object.startswith("public.") and t.key not in release.legacy]
    if own:
        notes.append(f"{len(own)} columns are this installation's own: {', '.join(sorted(own)[:5])}")
    triggers = sorted(_name(t) for t in live.values() if t.kind in ("trigger", "policy"))
    if triggers:
        notes.append(f"triggers or policies of its own stay active: {', '.join(triggers)}")
    return notes


def _is_bigint(thing: Thing, release: Manifest) -> bool:
    wanted = release.legacy.get(thing.key)
    return wanted is not None and wanted.definition["type"] == "bigint"
