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
    -- of a text as it is made again there is nothing to say
    SELECT
        v_column.attname::text, 'type',
        pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I TYPE %s', column_statements.relation, v_column.attname, t.type)
    FROM (
        SELECT
            pg_catalog.format_type(v_column.atttypid, v_column.atttypmod)
            || COALESCE(' COLLATE ' || NULLIF(v_column.attcollation, 'pg_catalog."default"'::regcollation)::regcollation::text, '')
    ) AS t (type)
    WHERE t.type <> 'character varying'
    UNION ALL
    SELECT
        v_column.attname::text, 'type',
        pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET %s', column_statements.relation, v_column.attname, o.option)
    FROM (
        VALUES
            ('STORAGE ' || CASE v_column.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' END),
            ('COMPRESSION ' || CASE v_column.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END)
    ) AS o (option)
    WHERE o.option IS NOT NULL
    UNION ALL
    SELECT
        v_column.attname::text, 'not null',
        pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', column_statements.relation, v_column.attname)
    WHERE v_column.attnotnull
    UNION ALL
    -- since PostgreSQL 18 it is a constraint with a name
    SELECT
        v_column.attname::text, 'not null',
        pg_catalog.format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', column_statements.relation, n.usual_name, c.conname)
    FROM pg_catalog.pg_constraint AS c
    INNER JOIN pg_catalog.pg_class AS r ON r.oid = c.conrelid
    CROSS JOIN LATERAL pg_catalog.format('%s_%s_not_null', r.relname, v_column.attname) AS n (usual_name)
    WHERE c.conrelid = v_column.attrelid AND c.contype = 'n' AND c.conkey = ARRAY[v_column.attnum] AND c.conname <> n.usual_name
    UNION ALL
    SELECT d.objid::regclass::text, 'index', s.statement
    FROM (
        SELECT DISTINCT d.objid FROM pg_catalog.pg_depend AS d
        INNER JOIN pg_catalog.pg_index AS i ON i.indexrelid = d.objid
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
            AND d.refobjid = v_column.attrelid AND d.refobjsubid = v_column.attnum
            -- that of a constraint, which depends on the column by its condition, is made with it
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS c WHERE c.conindid = i.indexrelid AND c.contype = 'x')
    ) AS d
    INNER JOIN pg_catalog.pg_class AS x ON x.oid = d.objid
    CROSS JOIN LATERAL (
        SELECT pg_catalog.pg_get_indexdef(d.objid)
        UNION ALL
        SELECT pg_catalog.format('ALTER INDEX %s SET TABLESPACE %I', d.objid::regclass, t.spcname)
        FROM pg_catalog.pg_tablespace AS t WHERE t.oid = x.reltablespace
        UNION ALL
        SELECT pg_catalog.format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', d.objid::regclass, a.attnum, a.attstattarget)
        FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = d.objid AND a.attstattarget >= 0
        UNION ALL
        SELECT pg_catalog.format('ALTER TABLE %s CLUSTER ON %I', column_statements.relation, x.relname)
        FROM pg_catalog.pg_index AS i WHERE i.indexrelid = d.objid AND i.indisclustered
        UNION ALL
        VALUES
            (pg_catalog.format('COMMENT ON INDEX %s IS ', d.objid::regclass)
                || pg_catalog.quote_literal(pg_catalog.obj_description(d.objid, 'pg_class')))
    ) AS s (statement)
    WHERE s.statement IS NOT NULL
    UNION ALL
    SELECT c.conname::text, 'constraint', s.statement
    FROM pg_catalog.pg_constraint AS c
    CROSS JOIN LATERAL (
        VALUES
            (pg_catalog.format(
                'ALTER TABLE %s ADD CONSTRAINT %I %s', column_statements.relation, c.conname, pg_catalog.pg_get_constraintdef(c.oid)
            )),
            (pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS ', c.conname, column_statements.relation)
                || pg_catalog.quote_literal(pg_catalog.obj_description(c.oid, 'pg_constraint')))
    ) AS s (statement)
    WHERE c.conrelid = v_column.attrelid AND v_column.attnum = ANY (c.conkey) AND c.contype IN ('c', 'u', 'f', 'x')
        AND s.statement IS NOT NULL
    UNION ALL
    SELECT s.stxname::text, 'statistics', m.statement
    FROM pg_catalog.pg_statistic_ext AS s
    CROSS JOIN LATERAL (
        VALUES
            (pg_catalog.pg_get_statisticsobjdef(s.oid)),
            -- none is -1, and NULL from PostgreSQL 17 on
            (CASE WHEN s.stxstattarget >= 0 THEN pg_catalog.format(
                'ALTER STATISTICS %s.%I SET STATISTICS %s', s.stxnamespace::regnamespace, s.stxname, s.stxstattarget
            ) END),
            (pg_catalog.format('COMMENT ON STATISTICS %s.%I IS ', s.stxnamespace::regnamespace, s.stxname)
                || pg_catalog.quote_literal(pg_catalog.obj_description(s.oid, 'pg_statistic_ext')))
    ) AS m (statement)
    WHERE m.statement IS NOT NULL AND EXISTS (
        SELECT FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_statistic_ext'::regclass AND d.objid = s.oid
            AND d.refobjid = v_column.attrelid AND d.refobjsubid = v_column.attnum
    )
    UNION ALL
    SELECT
        v_column.attname::text, 'statistics',
        pg_catalog.format(
            'ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', column_statements.relation, v_column.attname, v_column.attstattarget
        )
    WHERE v_column.attstattarget >= 0
    UNION ALL
    SELECT
        v_column.attname::text, 'statistics',
        pg_catalog.format(
            'ALTER TABLE %s ALTER COLUMN %I SET (%s)', column_statements.relation, v_column.attname,
            pg_catalog.array_to_string(v_column.attoptions, ', ')
        )
    WHERE v_column.attoptions IS NOT NULL
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
'Type, storage, NOT NULL, indexes, constraints, statistics, default, comments and privileges of a column. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.column_statements(regclass, text) FROM PUBLIC;
