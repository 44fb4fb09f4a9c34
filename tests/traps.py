"""What somebody who may create in public puts there to be run by others: operators and functions like PostgreSQL's."""

from __future__ import annotations

import psycopg
from psycopg.conninfo import make_conninfo

SQLSTATE = "TRAPS"
"""What whoever runs into one fails with."""

ABOVE_ALL = "public, pg_catalog"
"""A search_path under which a trap is found before what it looks like, even where their types are the same."""

_LAY = """
DO $$
DECLARE
    v record;
    v_trap CONSTANT text := 'CREATE OR REPLACE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql IMMUTABLE AS $trap$
        BEGIN RAISE EXCEPTION USING ERRCODE = ''TRAPS'', MESSAGE = ''fell into a trap''; END $trap$';
BEGIN
    FOR v IN
        SELECT p.*, o.oprname, o.oprleft::regtype, o.oprright::regtype
        FROM (
            SELECT oid, proname, pronargs, prorettype::regtype, pg_get_function_identity_arguments(oid) AS arguments
            FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND NOT proretset
        ) AS p
        LEFT JOIN pg_operator AS o ON o.oprcode = p.oid AND o.oprleft <> 0
        WHERE (p.prorettype || p.arguments) !~ '(internal|any|cstring|record|trigger|void|unknown|"char")'
            AND (o.oid IS NOT NULL OR p.proname IN ('lower', 'btrim', 'length', 'replace', 'split_part', 'substr', 'ceil'))
    LOOP
        EXECUTE format(v_trap, v.proname, v.arguments, v.prorettype);
        IF v.oprname IS NOT NULL THEN
            EXECUTE format(
                'CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.%I)',
                v.oprname, v.oprleft, v.oprright, v.proname
            );
        END IF;
    END LOOP;
    FOR v IN SELECT oid::regclass AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format(v_trap, 'to_jsonb', v.name, 'jsonb');
    END LOOP;
END
$$
"""


def lay(dsn: str) -> None:
    """Put the traps into public."""
    with psycopg.connect(dsn) as connection:
        connection.execute("SET LOCAL search_path = pg_catalog")
        connection.execute(_LAY)


def amid(dsn: str) -> str:
    """Return the conninfo of the same database for sessions that look for everything in public first."""
    return make_conninfo(dsn, options=f"-c search_path={ABOVE_ALL.replace(' ', '')}")
