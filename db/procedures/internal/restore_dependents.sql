-- With a removed row, the rows that pointed at it; what can't be put back any more stays in the journal.
CREATE OR REPLACE FUNCTION oeventdb_internal.restore_dependents(
    cause bigint
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_entry oeventdb_internal.journal;
BEGIN
    FOR v_entry IN
        SELECT j.* FROM oeventdb_internal.journal AS j
        WHERE j.caused_by = restore_dependents.cause AND j.restored_at IS NULL
        ORDER BY j.id FOR UPDATE
    LOOP
        BEGIN
            PERFORM oeventdb_internal.restore_dependent(v_entry.table_name, v_entry.old_row, v_entry.reason);
        EXCEPTION WHEN integrity_constraint_violation OR no_data_found OR undefined_table OR undefined_column OR data_exception THEN
            CONTINUE;
        END;
        UPDATE oeventdb_internal.journal AS j SET restored_at = pg_catalog.clock_timestamp() WHERE j.id = v_entry.id;
        PERFORM oeventdb_internal.restore_dependents(v_entry.id);
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.restore_dependents(bigint) IS
'Puts back the rows that went with, or were parted from, the row of a journal entry, and marks them restored. Raises nothing for those that can''t be.';

REVOKE ALL ON FUNCTION oeventdb_internal.restore_dependents(bigint) FROM PUBLIC;
