"""What has to be so before a database is changed, asked for before anything is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oeventdb.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg
    from psycopg.rows import TupleRow

    from oeventdb.schema.manifest import Manifest
    from oeventdb.schema.scripts import Index

OLDEST_SERVER = 15

_STATE = """
SELECT
    pg_catalog.pg_is_in_recovery(),
    pg_catalog.current_setting('default_transaction_read_only')::boolean,
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
    pg_catalog.to_regnamespace('public') IS NOT NULL
        AND pg_catalog.has_schema_privilege('public', 'CREATE'),
    (
        SELECT pg_catalog.pg_get_userbyid(c.relowner)
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'oeventdb_internal' AND c.relname = 'ledger'
          AND NOT pg_catalog.pg_has_role(CURRENT_USER, c.relowner, 'USAGE')
    ),
    CURRENT_USER,
    pg_catalog.current_setting('session_replication_role') = 'replica'
"""

_STRANGERS = """
SELECT c.relname
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = pg_catalog.to_regnamespace('public')
  AND c.relkind IN ('r', 'p')
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY c.relname
"""

_NAMESAKES = """
SELECT n.nspname
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = 'oeventdb'
   OR (n.nspname = 'oeventdb_internal' AND pg_catalog.pg_get_userbyid(n.nspowner) <> CURRENT_USER)
ORDER BY n.nspname
"""

# one that is NOT ENFORCED, as PostgreSQL 18 has it, is never checked
_UNCHECKED = """
SELECT k.conname, c.relname
FROM pg_catalog.pg_constraint AS k
JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
WHERE c.relnamespace = pg_catalog.to_regnamespace('public')
  AND c.relname || '.' || k.conname = ANY (%s) IS NOT TRUE
  AND c.relname = ANY (%s) AND k.contype IN ('c', 'n') AND NOT k.convalidated
  AND COALESCE(pg_catalog.to_jsonb(k) ->> 'conenforced', 'true') = 'true'
ORDER BY c.relname, k.conname
"""

_TAKEN = """
SELECT
    CASE c.relkind WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view'
        WHEN 'm' THEN 'view' WHEN 'c' THEN 'type' ELSE 'table' END || ' ' || c.relname
FROM ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) AS w (schema, name, on_table)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
LEFT JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
WHERE (t.relnamespace = n.oid AND t.relname = w.on_table) IS NOT TRUE
ORDER BY c.relname
"""


def require_usable(connection: psycopg.Connection[TupleRow]) -> None:
    """Raise Refused where the server or the role does not allow to change the schema."""
    info = connection.info
    if info.server_version < OLDEST_SERVER * 10000:
        raise Refused(f"PostgreSQL {info.server_version // 10000} is too old: 15 or newer is needed")
    row = connection.execute(_STATE).fetchone()
    standby, read_only, may_create, may_create_tables, owner, user, replica = row or ()
    if standby:
        raise Refused("the server is a standby and takes no writes", hint="connect to the primary")
    if read_only:
        raise Refused(
            "the session is read-only (default_transaction_read_only)",
            hint="lift it for the role or the database, or connect as another role",
        )
    if replica:
        raise Refused(
            "session_replication_role is replica: foreign keys and triggers would see nothing of what is changed",
            hint="lift it for the role or the database, or connect as another role",
        )
    if owner:
        raise Refused(
            f"the schema belongs to {owner}, and {user} is no member of that role",
            hint=f"connect as {owner}",
        )
    if not may_create:
        raise Refused(
            f"{user} may not create schemas in database {info.dbname!r}",
            hint="connect as the owner of the database",
        )
    if not may_create_tables:
        raise Refused(
            f"{user} may not create tables in schema public of database {info.dbname!r}",
            hint="connect as the owner of the database",
        )


def require_no_namesake(connection: psycopg.Connection[TupleRow]) -> None:
    """Raise Refused where a schema of somebody else has the name of one that the migrations make."""
    for (name,) in connection.execute(_NAMESAKES).fetchall():
        raise Refused(f"schema {name} is there already, and not from here", hint="rename or drop it")


def taken(
    connection: psycopg.Connection[TupleRow], indexes: Iterable[Index], *, begun: bool = False
) -> list[str]:
    """Return what has the name of an index that a migration makes: IF NOT EXISTS would pass over the index in silence.

    Where the migration has begun, the index itself may be there, on its table.
    """
    wanted = [index if begun else index._replace(table=None) for index in indexes]
    columns = [[index[column] for index in wanted] for column in range(3)]
    found = connection.execute(_TAKEN, columns).fetchall()
    return [f"{name} has a name that a migration needs: rename it" for (name,) in found]


def require_names(
    connection: psycopg.Connection[TupleRow], indexes: Iterable[Index], *, begun: bool = False
) -> None:
    """Raise Refused where something else has the name of an index of migrations."""
    if found := taken(connection, indexes, begun=begun):
        raise Refused("; ".join(found))


def require_valid_checks(connection: psycopg.Connection[TupleRow], release: Manifest) -> None:
    """Raise Refused for a NOT VALID constraint that is not ours: a row that breaks it takes no UPDATE at all."""
    ours = [t.object.removeprefix("public.") for t in release.objects.values() if t.kind == "constraint"]
    for name, table in connection.execute(_UNCHECKED, (ours, release.tables)).fetchall():
        raise Refused(
            f"constraint {name} of {table} is NOT VALID, and a row that breaks it could not be migrated",
            hint="validate it, or drop it and add it again afterwards",
        )


def require_empty(connection: psycopg.Connection[TupleRow]) -> None:
    """Raise Refused where a database without our ledger holds somebody's tables."""
    require_no_namesake(connection)
    names = [row[0] for row in connection.execute(_STRANGERS).fetchall()]
    if not names:
        return
    if {"events", "tickets"} <= set(names):
        raise Refused(
            f"database {connection.info.dbname!r} has the tables of Open Event, but no ledger",
            hint="run `oeventdb adopt` first",
        )
    raise Refused(
        f"database {connection.info.dbname!r} is not ours: it holds other tables, "
        f"{', '.join(names[:3])}{' ...' if len(names) > 3 else ''}",
        hint="use an empty database, or one of Open Event with `oeventdb adopt`",
    )
