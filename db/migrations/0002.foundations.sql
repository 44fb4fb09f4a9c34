-- The schemas: oeventdb for what applications call, oeventdb_internal for the journal of what migrations changed and for helpers.
-- depends: 0001.legacy-tables

CREATE SCHEMA oeventdb;

COMMENT ON SCHEMA oeventdb IS
'The ticketing rules as functions: what applications call. Roles get EXECUTE with `oeventdb grant`.';

CREATE SCHEMA IF NOT EXISTS oeventdb_internal;

COMMENT ON SCHEMA oeventdb_internal IS
'Ledger, journal, admissions, search versions and helpers of oeventdb. No role but the owner needs anything here.';

CREATE TABLE IF NOT EXISTS oeventdb_internal.journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration text NOT NULL,
    table_name text NOT NULL,
    key text NOT NULL,
    old_row jsonb NOT NULL,
    reason text NOT NULL,
    journaled_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    restored_at timestamptz,
    caused_by bigint,
    place text
);

COMMENT ON TABLE oeventdb_internal.journal IS
'Every row or value that a migration removed or changed beyond recognition, as it was before: read it with `oeventdb quarantine list`.';

COMMENT ON COLUMN oeventdb_internal.journal.caused_by IS
'The entry of the removed row that this row pointed at: its foreign key had it deleted or set to NULL as well. Restoring that one restores this.';

COMMENT ON COLUMN oeventdb_internal.journal.place IS
'Where in its table a row was that went with a removed one: entries of the same place and time are of one row, which several foreign keys reached.';

CREATE INDEX IF NOT EXISTS journal_place ON oeventdb_internal.journal (place) WHERE place IS NOT NULL;

CREATE INDEX IF NOT EXISTS journal_caused_by ON oeventdb_internal.journal (caused_by) WHERE caused_by IS NOT NULL;

CREATE INDEX IF NOT EXISTS journal_migration_table_name_key ON oeventdb_internal.journal (migration, table_name, key);

CREATE TABLE oeventdb_internal.progress (
    task text PRIMARY KEY,
    done bigint NOT NULL,
    total bigint NOT NULL,
    unit text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

COMMENT ON TABLE oeventdb_internal.progress IS
'How far the batches of a migration have come: done of total, in units, committed with each batch; a resumed task goes on from here.';

CREATE TABLE oeventdb_internal.grants (
    role_name text NOT NULL,
    kind text NOT NULL CONSTRAINT grants_kind CHECK (kind IN ('app', 'reader', 'search')),
    PRIMARY KEY (role_name, kind)
);

COMMENT ON TABLE oeventdb_internal.grants IS
'What `oeventdb grant` has given, so that each migrate gives it again for functions that are new.';

-- >>> db/procedures/internal/fail.sql
-- Every refusal by a function is raised here, in one shape: an own SQLSTATE, a JSON DETAIL for machines, a HINT for people.
CREATE OR REPLACE FUNCTION oeventdb_internal.fail(
    code text,
    message text,
    detail jsonb,
    hint text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = fail.code,
        MESSAGE = fail.message,
        DETAIL = fail.detail::text,
        HINT = fail.hint;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.fail(text, text, jsonb, text) IS
'Raises SQLSTATE code (class OE) with the message, the detail as JSON text and the hint; never returns.';

REVOKE ALL ON FUNCTION oeventdb_internal.fail(text, text, jsonb, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/require_read_committed.sql
-- Some changes must see all that is committed: an older snapshot would hide rows that matter.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_read_committed(
    what text,
    instead text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_catalog.current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION '% under READ COMMITTED only', require_read_committed.what
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Begin the transaction with ISOLATION LEVEL READ COMMITTED' || COALESCE(', or ' || require_read_committed.instead, '') || '.';
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_read_committed(text, text) IS
'Raises feature_not_supported (0A000) under REPEATABLE READ and SERIALIZABLE; what is the beginning of the message,
instead what else can be done.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_read_committed(text, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/require_no_dependents.sql
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
-- <<<

-- >>> db/procedures/internal/column_statements.sql
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
-- <<<

-- >>> db/procedures/internal/journal_column.sql
-- Before a column is dropped, what goes with it is journaled; rolling the migration back makes it again.
CREATE OR REPLACE FUNCTION oeventdb_internal.journal_column(
    migration text,
    relation regclass,
    column_name text,
    kinds text[]
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
    SELECT
        journal_column.migration, c.relname, s.name,
        pg_catalog.jsonb_build_object('statement', s.statement),
        pg_catalog.format('%s of the old column %s, dropped with it', s.kind, journal_column.column_name)
    FROM pg_catalog.pg_class AS c
    CROSS JOIN oeventdb_internal.column_statements(journal_column.relation, journal_column.column_name) AS s
    WHERE c.oid = journal_column.relation AND s.kind = ANY (journal_column.kinds);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.journal_column(text, regclass, text, text[]) IS
'Journals what is dropped with a column, those kinds of column_statements, as statements. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.journal_column(text, regclass, text, text[]) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/restore_column.sql
-- When a migration that dropped a column or a foreign key is rolled back, what went with it is made again; what can't be stays in the journal.
CREATE OR REPLACE FUNCTION oeventdb_internal.restore_column(
    migration text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_entry record;
BEGIN
    FOR v_entry IN
        SELECT j.id, j.old_row ->> 'statement' AS statement FROM oeventdb_internal.journal AS j
        WHERE j.migration = restore_column.migration AND j.old_row ? 'statement'
        ORDER BY j.id
    LOOP
        BEGIN
            -- as PostgreSQL itself, and column_statements, have written it
            EXECUTE v_entry.statement;
            DELETE FROM oeventdb_internal.journal AS j WHERE j.id = v_entry.id;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'not made again: %: %', v_entry.statement, SQLERRM;
        END;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.restore_column(text) IS
'Makes again what journal_column and drop_reference have journaled for a migration. A statement that fails stays in the journal, with a warning.';

REVOKE ALL ON FUNCTION oeventdb_internal.restore_column(text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/drop_reference.sql
-- A foreign key that another has taken the place of is dropped; its own name and its comment are journaled, for the rollback to give it again.
CREATE OR REPLACE FUNCTION oeventdb_internal.drop_reference(
    migration text,
    referencing regclass,
    column_name text,
    referenced regclass
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_old record;
BEGIN
    FOR v_old IN
        SELECT
            c.oid, c.conname, r.relname, pg_catalog.format('%s_%s_fkey', r.relname, a.attname) AS usual_name,
            -- the rollback makes one, as Open Event has it
            pg_catalog.row_number() OVER (
                ORDER BY c.condeferrable, c.confupdtype <> 'a', c.confmatchtype <> 's', NOT c.convalidated, c.conname
            ) AS place
        FROM pg_catalog.pg_constraint AS c
        INNER JOIN pg_catalog.pg_class AS r ON r.oid = c.conrelid
        INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
        WHERE c.contype = 'f' AND c.conrelid = drop_reference.referencing AND c.confrelid = drop_reference.referenced
            AND c.confdeltype = 'c' AND a.attname = drop_reference.column_name
        ORDER BY place
    LOOP
        INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
        SELECT
            drop_reference.migration, v_old.relname, v_old.conname, pg_catalog.jsonb_build_object('statement', s.statement),
            pg_catalog.format('%s of the old foreign key of %s, dropped with it', s.kind, drop_reference.column_name)
        FROM (
            VALUES
                ('constraint', CASE WHEN v_old.place > 1 THEN pg_catalog.format(
                    'ALTER TABLE %s ADD CONSTRAINT %I %s', drop_reference.referencing, v_old.conname, pg_catalog.pg_get_constraintdef(v_old.oid)
                ) END),
                ('name', CASE WHEN v_old.place = 1 AND v_old.conname <> v_old.usual_name THEN pg_catalog.format(
                    'ALTER TABLE %s RENAME CONSTRAINT %I TO %I', drop_reference.referencing, v_old.usual_name, v_old.conname
                ) END),
                ('comment', pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS ', v_old.conname, drop_reference.referencing)
                    || pg_catalog.quote_literal(pg_catalog.obj_description(v_old.oid, 'pg_constraint')))
        ) AS s (kind, statement)
        WHERE s.statement IS NOT NULL;
        EXECUTE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', drop_reference.referencing, v_old.conname);
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.drop_reference(text, regclass, text, regclass) IS
'Drops the foreign key of a column that deletes along with the referenced row, and journals what restore_column gives it back. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.drop_reference(text, regclass, text, regclass) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/journaled_table.sql
-- The journal names a table as SQL does where the search_path is public: a plain name is of that schema, whatever else has it.
CREATE OR REPLACE FUNCTION oeventdb_internal.journaled_table(
    table_name text
) RETURNS regclass
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_schema text := CASE WHEN pg_catalog.cardinality(pg_catalog.parse_ident(journaled_table.table_name)) = 1 THEN 'public.' ELSE '' END;
    v_table regclass := pg_catalog.to_regclass(v_schema || journaled_table.table_name);
BEGIN
    IF v_table IS NULL THEN
        RAISE EXCEPTION 'the table % is gone', journaled_table.table_name USING ERRCODE = 'undefined_table';
    END IF;
    RETURN v_table;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.journaled_table(text) IS
'The table that an entry of the journal names. Raises undefined_table (42P01) for one that is gone.';

REVOKE ALL ON FUNCTION oeventdb_internal.journaled_table(text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/old_row_columns.sql
-- What of an old row can be inserted again: columns that are newer keep their defaults, and those that are generated are made again.
-- The journal has one null for what is none and for that of JSON; a column that takes no NULL had the latter.
CREATE OR REPLACE FUNCTION oeventdb_internal.old_row_columns(
    relation regclass,
    old_row jsonb
) RETURNS TABLE (names text, row_values text)
LANGUAGE sql
STABLE
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT
        pg_catalog.string_agg(pg_catalog.format('%I', a.attname), ', ' ORDER BY a.attnum),
        pg_catalog.string_agg(
            pg_catalog.format(
                CASE
                    WHEN a.attnotnull AND a.atttypid IN ('pg_catalog.json'::regtype, 'pg_catalog.jsonb'::regtype) THEN 'COALESCE(%I, ''null'')'
                    ELSE '%I'
                END, a.attname
            ), ', ' ORDER BY a.attnum
        )
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = old_row_columns.relation
        AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        AND old_row_columns.old_row ? a.attname::text
$function$;

COMMENT ON FUNCTION oeventdb_internal.old_row_columns(regclass, jsonb) IS
'The columns of a table that an old row of the journal has values for, and what their values are in a statement, each with commas between them;
NULL for none. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.old_row_columns(regclass, jsonb) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/insert_old_row.sql
-- A row that the journal keeps is inserted as it was.
CREATE OR REPLACE FUNCTION oeventdb_internal.insert_old_row(
    relation regclass,
    old_row jsonb
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_columns record;
BEGIN
    SELECT c.names, c.row_values INTO v_columns
    FROM oeventdb_internal.old_row_columns(insert_old_row.relation, insert_old_row.old_row) AS c;
    EXECUTE pg_catalog.format(
        'INSERT INTO %1$s (%2$s) OVERRIDING SYSTEM VALUE'
        ' SELECT %3$s FROM pg_catalog.jsonb_populate_record(NULL::%1$s, $1)',
        insert_old_row.relation, v_columns.names, v_columns.row_values
    ) USING insert_old_row.old_row;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.insert_old_row(regclass, jsonb) IS
'Inserts an old row, its id included. Errors: those of the constraints and triggers of the table.';

REVOKE ALL ON FUNCTION oeventdb_internal.insert_old_row(regclass, jsonb) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/journal_dependents.sql
-- A row that is removed takes others along, of whatever table points at it: they are journaled first, and those that they take along.
-- A row that several keys reach has an entry for each, with the same place and time, so that it comes back with the last of what it points at.
CREATE OR REPLACE FUNCTION oeventdb_internal.journal_dependents(
    relation regclass,
    causes bigint[],
    followed regclass[] DEFAULT '{}'
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_key record;
    v_entries bigint[];
BEGIN
    FOR v_key IN
        SELECT
            c.conrelid::regclass AS dependent, c.conname, c.confdeltype,
            r.relkind = 'p' AS is_partitioned,
            CASE n.nspname WHEN 'public' THEN '' ELSE pg_catalog.quote_ident(n.nspname) || '.' END
            || pg_catalog.quote_ident(r.relname) AS table_name,
            (
                SELECT pg_catalog.string_agg(pg_catalog.format('d.%I = p.%I', d.attname, p.attname), ' AND ')
                FROM ROWS FROM (pg_catalog.unnest(c.conkey), pg_catalog.unnest(c.confkey)) AS k (ours, theirs)
                INNER JOIN pg_catalog.pg_attribute AS d ON d.attrelid = c.conrelid AND d.attnum = k.ours
                INNER JOIN pg_catalog.pg_attribute AS p ON p.attrelid = c.confrelid AND p.attnum = k.theirs
            ) AS condition,
            i.columns AS key_columns,
            -- of a row that stays: its key and what is set to NULL
            i.columns || ARRAY(
                SELECT a.attname::text FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = c.conrelid AND a.attnum = ANY (COALESCE(NULLIF(c.confdelsetcols, '{}'), c.conkey))
            ) AS changed_columns
        FROM pg_catalog.pg_constraint AS c
        INNER JOIN pg_catalog.pg_class AS r ON r.oid = c.conrelid
        INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = r.relnamespace
        CROSS JOIN LATERAL (
            SELECT ARRAY(
                SELECT a.attname::text FROM pg_catalog.pg_index AS x
                INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey)
                WHERE x.indrelid = c.conrelid AND x.indisprimary
            ) AS columns
        ) AS i
        WHERE c.contype = 'f' AND c.confrelid = journal_dependents.relation AND c.conparentid = 0
        ORDER BY c.conname
    LOOP
        EXECUTE pg_catalog.format(
            $query$
            WITH dependents AS (
                SELECT j.id AS caused_by, j.migration, pg_catalog.to_jsonb(d.*) AS old_row, d.tableoid::text || ':' || d.ctid::text AS place
                FROM oeventdb_internal.journal AS j
                CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%1$s, j.old_row) AS p
                INNER JOIN %2$s AS d ON %3$s
                -- a foreign key says nothing of the rows of tables that inherit from its own
                WHERE j.id = ANY ($1) AND ($6 OR d.tableoid = $7)
                FOR UPDATE OF d
            ), journaled AS (
                INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason, caused_by, place)
                SELECT
                    d.migration, $2,
                    (SELECT COALESCE(pg_catalog.string_agg(d.old_row ->> k.name, ','), '') FROM pg_catalog.unnest($3) AS k (name)),
                    CASE WHEN $4 = 'n'
                        THEN (SELECT pg_catalog.jsonb_object_agg(k.name, d.old_row -> k.name) FROM pg_catalog.unnest($5) AS k (name))
                        ELSE d.old_row
                    END,
                    CASE WHEN $4 = 'n' THEN 'pointed at a removed row, set to NULL' ELSE 'pointed at a removed row, removed' END,
                    d.caused_by, d.place
                FROM dependents AS d
                RETURNING id
            )
            SELECT pg_catalog.array_agg(j.id) FROM journaled AS j
            $query$, journal_dependents.relation, v_key.dependent, v_key.condition
        ) INTO v_entries USING
            journal_dependents.causes, v_key.table_name, v_key.key_columns, v_key.confdeltype, v_key.changed_columns,
            v_key.is_partitioned, v_key.dependent;
        CONTINUE WHEN v_entries IS NULL;
        IF v_key.confdeltype NOT IN ('c', 'n') OR v_key.dependent = ANY (journal_dependents.followed || journal_dependents.relation)
            OR (v_key.confdeltype = 'n' AND pg_catalog.cardinality(v_key.key_columns) = 0)
        THEN
            RAISE EXCEPTION '%: % of its rows point at rows of % that have to be removed, e.g. %',
                v_key.table_name, pg_catalog.cardinality(v_entries), journal_dependents.relation,
                (
                    SELECT c.key FROM oeventdb_internal.journal AS e
                    INNER JOIN oeventdb_internal.journal AS c ON c.id = e.caused_by WHERE e.id = v_entries[1]
                )
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = v_key.conname,
                      HINT = pg_catalog.format(
                          'Take those rows out of the way of its foreign key %s, and run the command again.',
                          v_key.conname
                      );
        ELSIF v_key.confdeltype = 'c' THEN
            PERFORM oeventdb_internal.journal_dependents(
                v_key.dependent, v_entries, journal_dependents.followed || journal_dependents.relation
            );
        END IF;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.journal_dependents(regclass, bigint[], regclass[]) IS
'Journals, and locks, the rows that deleting rows of relation (those of the journal entries causes) deletes or sets to NULL by foreign keys.
Raises foreign_key_violation where a foreign key forbids the deletion, or what it does could not be put back.';

REVOKE ALL ON FUNCTION oeventdb_internal.journal_dependents(regclass, bigint[], regclass[]) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/restore_dependent.sql
-- A row that went with a removed one comes back with it; one that was only parted from it points at it again, unless it points elsewhere by now.
CREATE OR REPLACE FUNCTION oeventdb_internal.restore_dependent(
    table_name text,
    old_row jsonb,
    reason text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_table regclass := oeventdb_internal.journaled_table(restore_dependent.table_name);
    v_found bigint;
    v_columns record;
BEGIN
    IF restore_dependent.reason LIKE '%removed' THEN
        PERFORM oeventdb_internal.insert_old_row(v_table, restore_dependent.old_row);
        RETURN;
    END IF;

    SELECT
        pg_catalog.string_agg(pg_catalog.format('t.%1$I = was.%1$I', a.attname), ' AND ') FILTER (WHERE s.is_key) AS key,
        pg_catalog.string_agg(pg_catalog.format('t.%1$I IS NULL', a.attname), ' AND ') FILTER (WHERE NOT s.is_key) AS parted,
        pg_catalog.string_agg(pg_catalog.format('%1$I = was.%1$I', a.attname), ', ') FILTER (WHERE NOT s.is_key) AS restored
    INTO v_columns
    FROM pg_catalog.pg_attribute AS a
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)
        ) AS is_key
    ) AS s
    WHERE a.attrelid = v_table AND a.attnum > 0 AND NOT a.attisdropped AND restore_dependent.old_row ? a.attname::text;
    EXECUTE pg_catalog.format(
        'UPDATE %1$s AS t SET %2$s FROM pg_catalog.jsonb_populate_record(NULL::%1$s, $1) AS was WHERE %3$s AND %4$s',
        v_table, v_columns.restored, v_columns.key, v_columns.parted
    ) USING restore_dependent.old_row;
    GET DIAGNOSTICS v_found = ROW_COUNT;
    IF v_found = 0 THEN
        RAISE EXCEPTION 'that row of % is gone or points elsewhere', restore_dependent.table_name USING ERRCODE = 'no_data_found';
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.restore_dependent(text, jsonb, text) IS
'Puts back what journal_dependents has journaled. Raises no_data_found (P0002) for a row that is gone or points elsewhere, undefined_table for a table
that is gone; else the errors of its constraints and triggers.';

REVOKE ALL ON FUNCTION oeventdb_internal.restore_dependent(text, jsonb, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/mark_restored.sql
-- What is put back is put back once, whatever number of entries are of the same row.
CREATE OR REPLACE FUNCTION oeventdb_internal.mark_restored(
    journal_id bigint
) RETURNS void
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
    UPDATE oeventdb_internal.journal AS j SET restored_at = pg_catalog.clock_timestamp()
    WHERE j.restored_at IS NULL AND j.id IN (
        SELECT mark_restored.journal_id
        UNION ALL
        SELECT s.id FROM oeventdb_internal.journal AS e
        INNER JOIN oeventdb_internal.journal AS s ON s.place = e.place AND s.journaled_at = e.journaled_at
        WHERE e.id = mark_restored.journal_id AND e.reason LIKE '%removed'
    )
$function$;

COMMENT ON FUNCTION oeventdb_internal.mark_restored(bigint) IS
'Marks an entry of the journal as restored, and the other entries of that row. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.mark_restored(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/lock_entries.sql
-- Entries of the journal are locked with the others of the same rows, in one order for everybody: who comes second sees what is back.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_entries(
    journal_ids bigint[]
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made for few entries would read all of them from end to end ever after
SET plan_cache_mode = 'force_generic_plan'
SET enable_seqscan = off
AS $function$
DECLARE
    v_others CONSTANT bigint[] := ARRAY(
        SELECT s.id FROM oeventdb_internal.journal AS e
        INNER JOIN oeventdb_internal.journal AS s ON s.place = e.place AND s.journaled_at = e.journaled_at
        WHERE e.id = ANY (lock_entries.journal_ids)
    );
BEGIN
    PERFORM FROM oeventdb_internal.journal AS j WHERE j.id = ANY (lock_entries.journal_ids || v_others) ORDER BY j.id FOR UPDATE;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.lock_entries(bigint[]) IS
'Locks entries of the journal, and the other entries of their rows. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_entries(bigint[]) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/restore_dependents.sql
-- With a removed row, the rows that pointed at it; what can't be put back any more stays in the journal.
CREATE OR REPLACE FUNCTION oeventdb_internal.restore_dependents(
    cause bigint
) RETURNS TABLE (journal_id bigint, problem text)
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_entry oeventdb_internal.journal;
    v_is_back boolean := NOT EXISTS (
        SELECT FROM oeventdb_internal.journal AS j WHERE j.id = restore_dependents.cause AND j.restored_at IS NULL
    );
    v_ids bigint[] := ARRAY(
        SELECT j.id FROM oeventdb_internal.journal AS j WHERE j.caused_by = restore_dependents.cause AND j.restored_at IS NULL
    );
BEGIN
    IF v_ids = '{}' THEN
        RETURN;
    END IF;
    -- lock before looking: of two who restore rows that the same one pointed at, the second brings it along
    PERFORM oeventdb_internal.lock_entries(v_ids);
    FOR v_entry IN
        SELECT j.* FROM oeventdb_internal.journal AS j
        WHERE j.caused_by = restore_dependents.cause AND j.restored_at IS NULL
        ORDER BY j.id
    LOOP
        -- it has come back already where another of its keys reached it
        CONTINUE WHEN (SELECT j.restored_at IS NOT NULL FROM oeventdb_internal.journal AS j WHERE j.id = v_entry.id);
        IF NOT v_is_back THEN
            -- another row may have its id by now
            journal_id := v_entry.id;
            problem := pg_catalog.format('comes back with entry %s', restore_dependents.cause);
            RETURN NEXT;
            CONTINUE;
        END IF;
        BEGIN
            PERFORM oeventdb_internal.restore_dependent(v_entry.table_name, v_entry.old_row, v_entry.reason);
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
                -- to be tried again as a whole
                RAISE;
            WHEN OTHERS THEN
                -- whatever a table, or a trigger, of somebody else has against it
                journal_id := v_entry.id;
                problem := SQLERRM;
                RETURN NEXT;
                CONTINUE;
        END;
        PERFORM oeventdb_internal.mark_restored(v_entry.id);
        RETURN QUERY SELECT d.journal_id, d.problem FROM oeventdb_internal.restore_dependents(v_entry.id) AS d;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.restore_dependents(bigint) IS
'Puts back the rows that went with, or were parted from, the row of a journal entry, and marks them restored. Returns the entries that can''t be, and why.
Raises only what can be tried again: lock_not_available, deadlock_detected, serialization_failure.';

REVOKE ALL ON FUNCTION oeventdb_internal.restore_dependents(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/validate_reference.sql
-- A foreign key that takes the place of another is validated, unless old rows refer to what is gone: these stay as they are, and new ones obey.
CREATE OR REPLACE FUNCTION oeventdb_internal.validate_reference(
    referencing regclass,
    constraint_name text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    EXECUTE pg_catalog.format(
        'ALTER TABLE %s VALIDATE CONSTRAINT %I', validate_reference.referencing, validate_reference.constraint_name
    );
EXCEPTION
    WHEN foreign_key_violation THEN
        -- the rules of the audit that end in _missing list these rows
        RETURN;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.validate_reference(regclass, text) IS
'Validates a foreign key, or leaves it NOT VALID where rows refer to what is gone, which `oeventdb audit` lists.';

REVOKE ALL ON FUNCTION oeventdb_internal.validate_reference(regclass, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/drop_unfinished_index.sql
-- CREATE INDEX CONCURRENTLY leaves an invalid index when it is interrupted: it is removed, so that the next try builds it.
CREATE OR REPLACE FUNCTION oeventdb_internal.drop_unfinished_index(
    index_name text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        INNER JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
        WHERE NOT i.indisvalid AND c.relname = drop_unfinished_index.index_name
            AND c.relnamespace = 'public'::pg_catalog.regnamespace
    ) THEN
        EXECUTE pg_catalog.format('DROP INDEX public.%I', drop_unfinished_index.index_name);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.drop_unfinished_index(text) IS
'Drops the named index of schema public if it is invalid, and only then.';

REVOKE ALL ON FUNCTION oeventdb_internal.drop_unfinished_index(text) FROM PUBLIC;
-- <<<
