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
