"""What has to be so before a database is changed, asked for before anything is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oeventdb.errors import Refused

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

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
    CURRENT_USER
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


def require_usable(connection: psycopg.Connection[TupleRow]) -> None:
    """Raise Refused where the server or the role does not allow to change the schema."""
    info = connection.info
    if info.server_version < OLDEST_SERVER * 10000:
        raise Refused(f"PostgreSQL {info.server_version // 10000} is too old: 15 or newer is needed")
    row = connection.execute(_STATE).fetchone()
    standby, read_only, may_create, may_create_tables, owner, user = row or ()
    if standby:
        raise Refused("the server is a standby and takes no writes", hint="connect to the primary")
    if read_only:
        raise Refused(
            "the session is read-only (default_transaction_read_only)",
            hint="connect as a role that may write",
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


def require_empty(connection: psycopg.Connection[TupleRow]) -> None:
    """Raise Refused where a database without our ledger holds somebody's tables."""
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
