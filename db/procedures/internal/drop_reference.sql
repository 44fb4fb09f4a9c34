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
