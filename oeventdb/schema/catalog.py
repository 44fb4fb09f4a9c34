"""What a database has of ours: every object by kind and name, with what defines it.

The same reading makes the manifest of a release and is compared with it. Names are fully
qualified in every definition, and what differs between PostgreSQL 15 and 18 for the same object
is left out: constraints NOT NULL, which 18 catalogues, are read as properties of their columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import dict_row

from oeventdb.connection import set_locally

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

_SCHEMAS = """
SELECT 'schema' AS kind, n.nspname AS object, pg_catalog.pg_get_userbyid(n.nspowner) AS owner
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname IN ('oeventdb', 'oeventdb_internal')
"""

_FUNCTIONS = """
SELECT
    CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END AS kind,
    pg_catalog.format('%%s.%%s(%%s)', n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)) AS object,
    pg_catalog.pg_get_function_arguments(p.oid) AS arguments,
    pg_catalog.pg_get_function_result(p.oid) AS returns,
    l.lanname AS language,
    CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
    CASE WHEN p.prosecdef THEN 'definer' ELSE 'invoker' END AS security,
    -- where quote_all_identifiers was on, a search path is stored with quotes
    pg_catalog.replace(pg_catalog.array_to_string(p.proconfig, ', '), '"', '') AS settings,
    CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
    p.proisstrict::text AS strict,
    p.proleakproof::text AS leakproof,
    p.prorows::text AS rows,
    pg_catalog.pg_get_userbyid(p.proowner) AS owner,
    p.prosrc AS body
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE n.nspname IN ('oeventdb', 'oeventdb_internal')
"""

_TYPES = """
SELECT
    'type' AS kind,
    n.nspname || '.' || t.typname AS object,
    COALESCE(
        (
            SELECT pg_catalog.string_agg(
                a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        ),
        (
            SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
            FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid
        ),
        pg_catalog.format_type(t.typbasetype, t.typtypmod)
    ) AS definition
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
WHERE n.nspname IN ('oeventdb', 'oeventdb_internal')
  AND (t.typtype IN ('e', 'd') OR (t.typtype = 'c' AND c.relkind = 'c'))
"""

_TABLES = """
SELECT
    CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END AS kind,
    n.nspname || '.' || c.relname AS object,
    CASE c.relpersistence WHEN 'p' THEN 'logged' WHEN 'u' THEN 'unlogged' ELSE 'temporary' END AS persistence,
    CASE WHEN c.relrowsecurity THEN 'enabled' ELSE 'disabled' END AS row_security,
    -- their rows are among the table's, and none of its triggers and keys sees them
    (
        SELECT pg_catalog.string_agg(i.inhrelid::pg_catalog.regclass::text, ', ' ORDER BY i.inhseqno, i.inhrelid)
        FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = c.oid
    ) AS child_tables,
    (
        SELECT pg_catalog.string_agg(i.inhparent::pg_catalog.regclass::text, ', ' ORDER BY i.inhseqno)
        FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid
    ) AS parent_tables,
    CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END AS definition,
    CASE WHEN n.nspname <> 'public' THEN pg_catalog.pg_get_userbyid(c.relowner) END AS owner
FROM ours AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
"""

_OTHERS = """
SELECT
    CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'foreign table' END AS kind,
    n.nspname || '.' || c.relname AS object,
    pg_catalog.pg_get_userbyid(c.relowner) AS owner
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('oeventdb', 'oeventdb_internal') AND c.relkind IN ('S', 'f')
  -- those of identity columns are read with their columns
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'i'
  )
"""

_COLUMNS = """
SELECT
    'column' AS kind,
    n.nspname || '.' || c.relname || '.' || a.attname AS object,
    pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
    CASE WHEN NOT a.attnotnull THEN 'null' WHEN EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = c.oid AND k.contype = 'n' AND a.attnum = ANY (k.conkey) AND NOT k.convalidated
    ) THEN 'not null, not valid' ELSE 'not null' END AS nullable,
    (
        SELECT 'nondeterministic' FROM pg_catalog.pg_collation AS o WHERE o.oid = a.attcollation AND NOT o.collisdeterministic
    ) AS collation,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS default,
    CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END AS identity,
    (
        SELECT pg_catalog.format(
            'by %%s from %%s to %%s%%s', s.seqincrement, s.seqmin, s.seqmax, CASE WHEN s.seqcycle THEN ', and again' END
        )
        FROM pg_catalog.pg_depend AS o
        JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = o.objid
        WHERE o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.refobjid = c.oid AND o.refobjsubid = a.attnum AND o.deptype = 'i'
    ) AS counts,
    CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' END AS generated
FROM ours AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relkind <> 'v'
"""

_CONSTRAINTS = """
SELECT
    'constraint' AS kind,
    n.nspname || '.' || c.relname || '.' || k.conname AS object,
    pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', '') AS definition,
    CASE WHEN k.convalidated THEN 'yes' ELSE 'no' END AS validated,
    CASE WHEN EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgconstraint = k.oid AND t.tgisinternal AND t.tgenabled NOT IN ('O', 'A')
    ) THEN 'no' ELSE 'yes' END AS enforced
FROM ours AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_constraint AS k ON k.conrelid = c.oid
WHERE k.contype IN ('c', 'f', 'p', 'u', 'x')
"""

_TRIGGERS = """
SELECT
    'trigger' AS kind,
    n.nspname || '.' || c.relname || '.' || t.tgname AS object,
    pg_catalog.pg_get_triggerdef(t.oid) AS definition,
    CASE t.tgenabled WHEN 'O' THEN 'yes' WHEN 'A' THEN 'always' WHEN 'R' THEN 'on replicas only' ELSE 'no' END
        AS enabled
FROM ours AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = c.oid
WHERE NOT t.tgisinternal
"""

_INDEXES = """
SELECT
    'index' AS kind,
    n.nspname || '.' || i.relname AS object,
    pg_catalog.pg_get_indexdef(i.oid) AS definition,
    CASE WHEN x.indisvalid AND x.indisready THEN 'yes' ELSE 'no' END AS valid
FROM ours AS c
JOIN pg_catalog.pg_index AS x ON x.indrelid = c.oid
JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = i.relnamespace
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = i.oid AND k.conrelid = c.oid)
"""

_RULES = """
SELECT
    'rule' AS kind,
    n.nspname || '.' || c.relname || '.' || r.rulename AS object,
    pg_catalog.pg_get_ruledef(r.oid) AS definition
FROM ours AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = c.oid AND r.rulename <> '_RETURN'
UNION ALL
SELECT
    'policy',
    n.nspname || '.' || c.relname || '.' || p.polname,
    pg_catalog.concat_ws(' ', p.polcmd, pg_catalog.pg_get_expr(p.polqual, p.polrelid))
FROM ours AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_policy AS p ON p.polrelid = c.oid
"""

_OURS = """
WITH ours AS (
    SELECT c.*
    FROM pg_catalog.pg_class AS c
    WHERE c.relkind IN ('r', 'p', 'v', 'm')
      AND (
          c.relnamespace IN (
              pg_catalog.to_regnamespace('oeventdb'), pg_catalog.to_regnamespace('oeventdb_internal')
          )
          OR (
              c.relnamespace = pg_catalog.to_regnamespace('public')
              AND (%(tables)s::text[] IS NULL OR c.relname = ANY (%(tables)s))
          )
      )
)
"""

_ACLS = """
WITH acls AS (
    SELECT 'schema ' || n.nspname AS object, n.nspowner AS owner,
           COALESCE(n.nspacl, pg_catalog.acldefault('n', n.nspowner)) AS acl
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname IN ('oeventdb', 'oeventdb_internal')
    UNION ALL
    SELECT pg_catalog.format('%%s %%s.%%s(%%s)', CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END,
               n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)),
           p.proowner, COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname IN ('oeventdb', 'oeventdb_internal')
    UNION ALL
    SELECT pg_catalog.format('%%s %%s.%%s', CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, n.nspname, c.relname),
           c.relowner, c.relacl
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('oeventdb', 'oeventdb_internal') AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
    UNION ALL
    SELECT pg_catalog.format('column %%s.%%s.%%s', n.nspname, c.relname, a.attname), c.relowner, a.attacl
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('oeventdb', 'oeventdb_internal') AND a.attacl IS NOT NULL AND NOT a.attisdropped
), given AS (
    SELECT s.object, e.privilege_type, e.is_grantable,
           CASE e.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(e.grantee) END AS role
    FROM acls AS s, LATERAL pg_catalog.aclexplode(s.acl) AS e
    WHERE e.grantee <> s.owner
    UNION ALL
    -- on the tables in public, which have users of their own: what these roles may do, through whatever role
    SELECT p.object, e.privilege_type, e.is_grantable, r.rolname
    FROM (
        SELECT 'table public.' || c.relname AS object, c.relowner, c.relacl AS acl
        FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = pg_catalog.to_regnamespace('public') AND c.relname = ANY (%(tables)s)
        UNION ALL
        SELECT 'column public.' || c.relname || '.' || a.attname, c.relowner, a.attacl
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND NOT a.attisdropped
        WHERE c.relnamespace = pg_catalog.to_regnamespace('public') AND c.relname = ANY (%(tables)s)
    ) AS p
    CROSS JOIN LATERAL pg_catalog.aclexplode(p.acl) AS e
    JOIN pg_catalog.pg_roles AS r
      ON r.rolname = ANY (%(roles)s) AND (e.grantee = 0 OR pg_catalog.pg_has_role(r.oid, e.grantee, 'USAGE'))
    WHERE e.grantee <> p.relowner
)
SELECT g.object, v.privilege, g.role
FROM given AS g,
LATERAL (VALUES (g.privilege_type, true), (g.privilege_type || ' WITH GRANT OPTION', g.is_grantable)) AS v (privilege, has)
WHERE v.has
"""

# Every name with its schema, no needless quotes, no number rounded, intervals as in the manifest.
_PRINTING = {
    "search_path": "",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "extra_float_digits": "1",
    "IntervalStyle": "postgres",
}


@dataclass(frozen=True)
class Thing:
    """An object and what defines it, property by property; absent properties are left out."""

    kind: str
    object: str
    definition: dict[str, str]

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name: unique in a database."""
        return (self.kind, self.object)


@contextmanager
def printed_alike(connection: psycopg.Connection[TupleRow]) -> Iterator[None]:
    """Have PostgreSQL print names and numbers as it does for everybody else, in one transaction or savepoint."""
    read = ", ".join(f"pg_catalog.current_setting('{name}')" for name in _PRINTING)
    with connection.transaction():
        before = connection.execute(f"SELECT {read}".encode()).fetchone() or ()
        set_locally(connection, _PRINTING)
        yield
        set_locally(connection, dict(zip(_PRINTING, before, strict=True)))


def read(
    connection: psycopg.Connection[TupleRow], tables: list[str] | None = None
) -> dict[tuple[str, str], Thing]:
    """Return the objects of both schemas of ours and of the named tables of public (None = all)."""
    related = (_TABLES, _COLUMNS, _CONSTRAINTS, _TRIGGERS, _INDEXES, _RULES)
    queries = (_SCHEMAS, _FUNCTIONS, _TYPES, _OTHERS, *(_OURS + query for query in related))
    found: dict[tuple[str, str], Thing] = {}
    with printed_alike(connection), connection.cursor(row_factory=dict_row) as cursor:
        for query in queries:
            for row in cursor.execute(query.encode(), {"tables": tables}).fetchall():
                kind, name = str(row.pop("kind")), str(row.pop("object"))
                definition = {key: str(value) for key, value in row.items() if value is not None}
                found[kind, name] = Thing(kind, name, definition)
    return found


def grants(
    connection: psycopg.Connection[TupleRow], tables: list[str], roles: list[str]
) -> set[tuple[str, str, str]]:
    """Return (object, privilege, role) of what others than the owner may do.

    In our schemas that is anybody, with 'public' for everybody; on those tables of public the named roles.
    """
    with printed_alike(connection):
        found = connection.execute(_ACLS, {"tables": tables, "roles": roles}).fetchall()
    return {(object_, privilege, role) for object_, privilege, role in found}
