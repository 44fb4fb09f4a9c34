-- A column that is about to go may be read by a view of somebody else's: said before the work, not after it, and never dropped along.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_no_dependents(
    relation regclass,
    column_name text,
    hint text
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_dependents text;
BEGIN
    SELECT pg_catalog.string_agg(s.dependent, ', ' ORDER BY s.dependent) INTO v_dependents
    FROM (
        -- a view depends on a column by its rule
        SELECT DISTINCT CASE
            WHEN r.rulename = '_RETURN' THEN pg_catalog.pg_describe_object('pg_catalog.pg_class'::regclass, r.ev_class, 0)
            ELSE pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
        END AS dependent
        FROM pg_catalog.pg_depend AS d
        INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        LEFT JOIN pg_catalog.pg_rewrite AS r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
        LEFT JOIN pg_catalog.pg_trigger AS t ON d.classid = 'pg_catalog.pg_trigger'::regclass AND t.oid = d.objid
        LEFT JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        LEFT JOIN pg_catalog.pg_constraint AS k ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
        WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = require_no_dependents.relation
            AND a.attname = require_no_dependents.column_name AND d.deptype = 'n'
            -- constraints and statistics go with their column, but not the foreign keys of other tables
            AND d.classid <> 'pg_catalog.pg_statistic_ext'::regclass AND k.conrelid IS DISTINCT FROM require_no_dependents.relation
            AND p.pronamespace IS DISTINCT FROM 'oeventdb_internal'::regnamespace
        UNION
        -- without it a published table takes no UPDATE
        SELECT pg_catalog.format('replica identity %I.%I', n.nspname, c.relname)
        FROM pg_catalog.pg_index AS i
        INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        INNER JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
        INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE i.indrelid = require_no_dependents.relation AND i.indisreplident AND a.attname = require_no_dependents.column_name
        UNION
        -- whole rows that are kept elsewhere would lose the column, too
        SELECT pg_catalog.pg_describe_object('pg_catalog.pg_class'::regclass, a.attrelid, a.attnum)
        FROM (
            WITH RECURSIVE made_of_rows AS (
                SELECT c.reltype AS oid FROM pg_catalog.pg_class AS c WHERE c.oid = require_no_dependents.relation
                UNION
                SELECT COALESCE(c.reltype, d.objid) FROM made_of_rows AS m
                INNER JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid = m.oid
                LEFT JOIN pg_catalog.pg_class AS c
                    ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid AND c.relkind = 'c'
                WHERE d.classid = 'pg_catalog.pg_type'::regclass OR c.oid IS NOT NULL
            )
            SELECT m.oid FROM made_of_rows AS m
        ) AS t
        INNER JOIN pg_catalog.pg_attribute AS a ON a.atttypid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
        INNER JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm')
    ) AS s;
    IF v_dependents IS NOT NULL THEN
        RAISE EXCEPTION '%.% is still needed by %', require_no_dependents.relation, require_no_dependents.column_name, v_dependents
            USING ERRCODE = 'dependent_objects_still_exist', HINT = require_no_dependents.hint;
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_no_dependents(regclass, text, text) IS
'Raises dependent_objects_still_exist (2BP01), with the hint, when views, policies, generated columns, foreign keys of others,
triggers, the replica identity or rows kept by others need the column.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_no_dependents(regclass, text, text) FROM PUBLIC;
