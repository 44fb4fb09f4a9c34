-- What goes with a column when it is dropped, unasked: as the statements that make it again.
CREATE OR REPLACE FUNCTION oeventdb_internal.column_statements(
    relation regclass,
    column_name text
) RETURNS TABLE (name text, kind text, statement text)
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_column pg_catalog.pg_attribute;
BEGIN
    SELECT a.* INTO v_column FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = column_statements.relation AND a.attname = column_statements.column_name AND NOT a.attisdropped;
    RETURN QUERY
    SELECT d.objid::regclass::text, 'index', pg_catalog.pg_get_indexdef(d.objid)
    FROM (
        SELECT DISTINCT d.objid FROM pg_catalog.pg_depend AS d
        INNER JOIN pg_catalog.pg_index AS i ON i.indexrelid = d.objid
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
            AND d.refobjid = v_column.attrelid AND d.refobjsubid = v_column.attnum
    ) AS d
    UNION ALL
    SELECT
        c.conname::text, 'constraint',
        pg_catalog.format(
            'ALTER TABLE %s ADD CONSTRAINT %I %s', column_statements.relation, c.conname, pg_catalog.pg_get_constraintdef(c.oid)
        )
    FROM pg_catalog.pg_constraint AS c
    WHERE c.conrelid = v_column.attrelid AND v_column.attnum = ANY (c.conkey) AND c.contype IN ('c', 'u', 'f', 'x')
    UNION ALL
    SELECT s.stxname::text, 'statistics', pg_catalog.pg_get_statisticsobjdef(s.oid)
    FROM pg_catalog.pg_statistic_ext AS s
    WHERE EXISTS (
        SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_statistic_ext'::regclass AND d.objid = s.oid
            AND d.refobjid = v_column.attrelid AND d.refobjsubid = v_column.attnum
    )
    UNION ALL
    SELECT
        v_column.attname::text, 'default',
        pg_catalog.format(
            'ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', column_statements.relation, v_column.attname,
            pg_catalog.pg_get_expr(a.adbin, a.adrelid)
        )
    FROM pg_catalog.pg_attrdef AS a WHERE a.adrelid = v_column.attrelid AND a.adnum = v_column.attnum
    UNION ALL
    SELECT
        v_column.attname::text, 'comment',
        pg_catalog.format('COMMENT ON COLUMN %s.%I IS %L', column_statements.relation, v_column.attname, c.text)
    FROM pg_catalog.col_description(v_column.attrelid, v_column.attnum) AS c (text) WHERE c.text IS NOT NULL
    UNION ALL
    SELECT
        v_column.attname::text, 'privilege',
        pg_catalog.format(
            'GRANT %s (%I) ON %s TO %s%s', p.privilege_type, v_column.attname, column_statements.relation,
            CASE WHEN p.grantee = 0 THEN 'PUBLIC' ELSE p.grantee::regrole::text END,
            CASE WHEN p.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
        )
    FROM pg_catalog.aclexplode(v_column.attacl) AS p;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.column_statements(regclass, text) IS
'Indexes, constraints, extended statistics, default, comment and privileges of a column. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.column_statements(regclass, text) FROM PUBLIC;
