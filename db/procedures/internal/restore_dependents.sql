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
