"""The least privileges of the roles that use the database, recorded and given again.

app     EXECUTE on the functions that applications call, and no table
reader  SELECT on the tables of Open Event, but for the columns that hold credentials
search  EXECUTE on what reindex, sync and verify call, which is all in oeventdb_internal but for one

Nobody gets a table of schema oeventdb_internal: functions that are granted run as their owner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql

from oeventdb.connection import value
from oeventdb.errors import Refused
from oeventdb.schema import catalog, ledger, manifest

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

KINDS = ("app", "reader", "search")

CREDENTIALS = {
    "users": ("_password", "salt", "reset_password", "tokens"),
    "orders": ("stripe_token", "paypal_token"),
}
"""Columns that a reader does not see."""

SEARCH_PREFIX = "search_"
"""Functions with such a name are what a search role calls."""

_ALSO_FOR_APPLICATIONS = ("search_documents",)

_FUNCTIONS = """
SELECT n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes),
       CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname IN ('oeventdb', 'oeventdb_internal') AND p.prosecdef
  AND p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype
ORDER BY n.nspname, p.proname
"""

_COLUMNS = """
SELECT c.relname, a.attname
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = pg_catalog.to_regnamespace('public') AND c.relname = ANY (%s)
ORDER BY c.relname, a.attnum
"""

# What the owner's default privileges give on every object that is made, ours as well.
_DEFAULTS = """
SELECT e.privilege_type, CASE e.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(e.grantee) END
FROM pg_catalog.pg_default_acl AS d, pg_catalog.aclexplode(d.defaclacl) AS e
WHERE d.defaclrole IN (
    SELECT n.nspowner FROM pg_catalog.pg_namespace AS n WHERE n.nspname IN ('oeventdb', 'oeventdb_internal')
)
"""

# What functions need that run as the owner of our schemas, and what is missing where somebody else owns the tables.
_OWNER_LACKS = """
WITH ours AS (
    SELECT c.oid, c.relkind, n.nspname || '.' || c.relname AS name
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v')
      AND (n.nspname IN ('oeventdb', 'oeventdb_internal') OR n.nspname = 'public' AND c.relname = ANY (%s))
), owner AS (
    SELECT n.nspowner AS oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'oeventdb'
), needed AS (
    SELECT 'schema ' || n.nspname AS object, 'USAGE' AS privilege,
           pg_catalog.has_schema_privilege(o.oid, n.oid, 'USAGE') AS given
    FROM owner AS o, pg_catalog.pg_namespace AS n
    WHERE n.nspname IN ('public', 'oeventdb', 'oeventdb_internal')
    UNION ALL
    SELECT pg_catalog.format('%%s %%s.%%s(%%s)', CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END,
               n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)),
           'EXECUTE', pg_catalog.has_function_privilege(o.oid, p.oid, 'EXECUTE')
    FROM owner AS o, pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname IN ('oeventdb', 'oeventdb_internal')
    UNION ALL
    SELECT 'table ' || t.name, v.privilege, pg_catalog.has_table_privilege(o.oid, t.oid, v.privilege)
    FROM owner AS o, ours AS t, (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS v (privilege)
    UNION ALL
    -- of serial columns, as adopted tables have them
    SELECT 'sequence of ' || t.name, 'USAGE', pg_catalog.has_sequence_privilege(o.oid, s.oid, 'USAGE, UPDATE')
    FROM owner AS o, ours AS t
    JOIN pg_catalog.pg_depend AS d
      ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = t.oid AND d.deptype = 'a'
    JOIN pg_catalog.pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
)
SELECT l.object, l.privilege, pg_catalog.pg_get_userbyid(o.oid)
FROM needed AS l, owner AS o
WHERE NOT l.given
"""

_HAS = {
    "schema": "SELECT pg_catalog.has_schema_privilege(%s, pg_catalog.to_regnamespace(%s), %s)",
    "function": "SELECT pg_catalog.has_function_privilege(%s, %s, %s)",
    "procedure": "SELECT pg_catalog.has_function_privilege(%s, %s, %s)",
    "table": "SELECT pg_catalog.has_table_privilege(%s, pg_catalog.to_regclass(%s), %s)",
    "column": "SELECT pg_catalog.has_column_privilege(%s, %s, %s, %s)",
}


@dataclass(frozen=True)
class Grant:
    """A privilege for a role: `target` is 'function', 'table' ..., `name` the object's."""

    role: str
    privilege: str
    target: str
    name: str
    column: str = ""

    @property
    def object(self) -> str:
        """The object as `check` names it."""
        return f"{self.target} {self.name}{'.' if self.column else ''}{self.column}"

    @property
    def of_ours(self) -> bool:
        """Whether the object is in one of our schemas, or such a schema."""
        return self.name.partition(".")[0] != "public"

    def statement(self) -> sql.Composed:
        """Return the GRANT."""
        return sql.SQL("GRANT {} TO {}").format(self._what(), sql.Identifier(self.role))

    def withdrawal(self) -> sql.Composed:
        """Return the REVOKE; 'public' is everybody, and no role can have that name."""
        role = sql.SQL("PUBLIC") if self.role == "public" else sql.Identifier(self.role)
        return sql.SQL("REVOKE {} FROM {}").format(self._what(), role)

    def _what(self) -> sql.Composed:
        schema, _, rest = self.name.partition(".")
        name, bracket, arguments = rest.partition("(")
        what: sql.Composable = sql.Identifier(schema, name) if rest else sql.Identifier(schema)
        if bracket:
            what = sql.SQL("{}({}").format(what, sql.SQL(arguments))
        on = "table" if self.target == "column" else self.target
        privilege: sql.Composable = sql.SQL(self.privilege)
        if self.column:
            privilege = sql.SQL("{} ({})").format(privilege, sql.Identifier(self.column))
        return sql.SQL("{} ON {} {}").format(privilege, sql.SQL(on.upper()), what)


class Privilege(NamedTuple):
    """A privilege that a role should have and has not, or has and should not."""

    object: str
    privilege: str
    role: str


def grant(connection: psycopg.Connection[TupleRow], kind: str, role: str) -> list[str]:
    """Give a role the privileges of a kind (app, reader, search) and record it.

    Returns the statements that were needed: none when it had everything already. The caller
    commits. Raises Refused for an unknown role or kind, or one that owns the schema.
    """
    ledger.require(connection)
    if kind not in KINDS:
        raise Refused(f"there is no kind {kind!r} of role; there are: {', '.join(KINDS)}")
    _require_role(connection, role)
    connection.execute(
        "INSERT INTO oeventdb_internal.grants (role_name, kind) VALUES (%s, %s) "
        "ON CONFLICT (role_name, kind) DO NOTHING",
        (role, kind),
    )
    return _give(connection, _wanted(connection, kind, role))


def _require_role(connection: psycopg.Connection[TupleRow], role: str) -> None:
    if not _has_table(connection):
        raise Refused("the database is not migrated yet", hint="run `oeventdb migrate` first")
    row = connection.execute(
        "SELECT pg_catalog.pg_has_role(r.oid, n.nspowner, 'MEMBER') "
        "FROM pg_catalog.pg_roles AS r, pg_catalog.pg_namespace AS n "
        "WHERE r.rolname = %s AND n.nspname = 'oeventdb'",
        (role,),
    ).fetchone()
    if row is None:
        raise Refused(f"there is no role {role!r}", hint="create it first: CREATE ROLE ... LOGIN")
    if row[0]:
        raise Refused(
            f"{role} can do everything already: it owns the schema, or is a member of its owner",
            hint="grant to another role, and let the application connect as that",
        )


def _has_table(connection: psycopg.Connection[TupleRow]) -> bool:
    return bool(value(connection, "SELECT pg_catalog.to_regclass('oeventdb_internal.grants') IS NOT NULL"))


def regrant(connection: psycopg.Connection[TupleRow]) -> None:
    """Give every recorded role what a migration added for it, and nobody else anything; forget roles that are gone."""
    if _has_table(connection):
        connection.execute(
            "DELETE FROM oeventdb_internal.grants AS g WHERE NOT EXISTS "
            "(SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = g.role_name)"
        )
    wanted = recorded(connection)
    _withdraw_defaults(connection, wanted)
    _give(connection, wanted)


def _withdraw_defaults(connection: psycopg.Connection[TupleRow], wanted: list[Grant]) -> None:
    """Take back what ALTER DEFAULT PRIVILEGES has given on objects of ours to roles that are not to have it."""
    defaults = set(connection.execute(_DEFAULTS).fetchall())
    if not defaults:
        return
    for thing, privilege, role in surplus(connection, wanted):
        target, _, name = thing.partition(" ")
        if (privilege, role) in defaults and target != "column" and not name.startswith("public."):
            connection.execute(Grant(role, privilege, target, name).withdrawal())


def recorded(connection: psycopg.Connection[TupleRow]) -> list[Grant]:
    """Return the privileges that the recorded roles should have."""
    if not _has_table(connection):
        return []
    roles = connection.execute(
        "SELECT g.kind, g.role_name FROM oeventdb_internal.grants AS g "
        "JOIN pg_catalog.pg_roles AS r ON r.rolname = g.role_name"
    ).fetchall()
    return [wanted for kind, role in roles for wanted in _wanted(connection, kind, role)]


def lacking(connection: psycopg.Connection[TupleRow], wanted: list[Grant]) -> list[Privilege]:
    """Return the privileges that are wanted and not there."""
    return [Privilege(g.object, g.privilege, g.role) for g in wanted if not _is_given(connection, g)]


def owner_lacking(connection: psycopg.Connection[TupleRow]) -> list[Privilege]:
    """Return the privileges without which our functions, which run as the owner of our schemas, fail."""
    with catalog.printed_alike(connection):
        found = connection.execute(_OWNER_LACKS, (manifest.load().tables,)).fetchall()
    return [Privilege(*lacking) for lacking in found]


def surplus(connection: psycopg.Connection[TupleRow], wanted: list[Grant]) -> list[Privilege]:
    """Return the privileges that are there and not wanted, in the order of objects.

    Anybody's on what is in our schemas, and on our tables in public those of the roles that `wanted` names.
    """
    allowed = {(g.object, g.privilege, g.role) for g in wanted}
    found = catalog.grants(connection, manifest.load().tables, sorted({g.role for g in wanted}))
    return [Privilege(*has) for has in sorted(found - allowed)]


def _give(connection: psycopg.Connection[TupleRow], wanted: list[Grant]) -> list[str]:
    done = []
    for one in wanted:
        # what everybody has of ours is to be taken back, as `check` says: it must not be all that a role has
        if not _is_given(connection, one) or (
            one.of_ours and _is_given(connection, replace(one, role="public"))
        ):
            statement = one.statement()
            connection.execute(statement)
            done.append(statement.as_string(connection))
    return done


def _is_given(connection: psycopg.Connection[TupleRow], wanted: Grant) -> bool:
    parts = [wanted.role, wanted.name, *([wanted.column] if wanted.column else [])]
    return bool(value(connection, _HAS[wanted.target].encode(), (*parts, wanted.privilege)))


def _wanted(connection: psycopg.Connection[TupleRow], kind: str, role: str) -> list[Grant]:
    if kind == "reader":
        return [Grant(role, "USAGE", "schema", "public"), *_readable(connection, role)]
    with catalog.printed_alike(connection):
        there = connection.execute(_FUNCTIONS).fetchall()
    functions = [
        Grant(role, "EXECUTE", target, f"{schema}.{name}({arguments})")
        for schema, name, arguments, target in there
        if _is_for(kind, schema, name)
    ]
    schemas = ["oeventdb", "oeventdb_internal"] if kind == "search" else ["oeventdb"]
    return [*(Grant(role, "USAGE", "schema", schema) for schema in schemas), *functions]


def _is_for(kind: str, schema: str, function: str) -> bool:
    searching = function.startswith(SEARCH_PREFIX)
    if kind == "search":
        return searching
    return schema == "oeventdb" and (not searching or function in _ALSO_FOR_APPLICATIONS)


def _readable(connection: psycopg.Connection[TupleRow], role: str) -> list[Grant]:
    tables = manifest.load().tables
    columns = connection.execute(_COLUMNS, (tables,)).fetchall()
    hidden = {(table, column) for table, names in CREDENTIALS.items() for column in names}
    whole = [Grant(role, "SELECT", "table", f"public.{t}") for t in tables if t not in CREDENTIALS]
    partly = [
        Grant(role, "SELECT", "column", f"public.{table}", column)
        for table, column in columns
        if table in CREDENTIALS and (table, column) not in hidden
    ]
    return whole + partly
