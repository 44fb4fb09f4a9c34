-- What a migration removed or changed is put back once, if the rules allow it now.
CREATE OR REPLACE FUNCTION oeventdb_internal.restore_journaled(
    journal_id bigint
) RETURNS SETOF oeventdb_internal.journal
LANGUAGE plpgsql
VOLATILE
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_entry oeventdb_internal.journal;
    v_current jsonb;
    v_left record;
BEGIN
    -- lock before looking: of two who restore the same entry, or two of the same row, the second must see that it is done
    PERFORM oeventdb_internal.lock_entries(ARRAY[restore_journaled.journal_id]);
    SELECT * INTO v_entry FROM oeventdb_internal.journal AS j WHERE j.id = restore_journaled.journal_id;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('journal_entry', restore_journaled.journal_id);
    ELSIF v_entry.restored_at IS NOT NULL THEN
        PERFORM oeventdb_internal.refuse_restoring(
            pg_catalog.format('was restored at %s', v_entry.restored_at), 'Nothing is left to do: an entry is put back once.'
        );
    END IF;

    IF v_entry.caused_by IS NOT NULL THEN
        IF EXISTS (
            SELECT FROM oeventdb_internal.journal AS j WHERE j.id = v_entry.caused_by AND j.restored_at IS NULL
        ) THEN
            PERFORM oeventdb_internal.refuse_restoring(
                pg_catalog.format('comes back with entry %s', v_entry.caused_by), 'Restore that one.'
            );
        END IF;
        PERFORM oeventdb_internal.restore_dependent(v_entry.table_name, v_entry.old_row, v_entry.reason);
    ELSIF v_entry.table_name = 'tickets' AND v_entry.old_row ?& ARRAY['discount_code_id', 'ticket_id'] THEN
        PERFORM oeventdb_internal.restore_link(
            (v_entry.old_row ->> 'discount_code_id')::bigint, v_entry.old_row ->> 'ticket_id'
        );
    ELSIF v_entry.old_row ->> 'id' IS NULL THEN
        PERFORM oeventdb_internal.refuse_restoring(
            'is of an old column', 'Make one for the new column, if it was of use; a rollback makes the old one again.'
        );
    ELSE
        EXECUTE pg_catalog.format(
            'SELECT pg_catalog.to_jsonb(t.*) FROM public.%I AS t WHERE t.id = $1 FOR UPDATE', v_entry.table_name
        ) INTO v_current USING (v_entry.old_row ->> 'id')::bigint;
        IF v_current IS NOT NULL THEN
            PERFORM oeventdb_internal.restore_values(v_entry.table_name, v_current, v_entry.old_row, v_entry.reason);
        ELSIF v_entry.reason LIKE '%removed' THEN
            PERFORM oeventdb_internal.restore_row(v_entry.table_name, v_entry.old_row);
        ELSE
            -- somebody has deleted the row since, and meant it
            PERFORM oeventdb_internal.refuse_unknown(v_entry.table_name, (v_entry.old_row ->> 'id')::bigint);
        END IF;
    END IF;

    PERFORM oeventdb_internal.mark_restored(v_entry.id);
    FOR v_left IN
        SELECT j.table_name, d.problem, pg_catalog.count(*) AS rows, pg_catalog.min(j.id) AS first_id
        FROM oeventdb_internal.restore_dependents(v_entry.id) AS d
        INNER JOIN oeventdb_internal.journal AS j ON j.id = d.journal_id
        GROUP BY j.table_name, d.problem
    LOOP
        RAISE WARNING '% of the rows of % that went with it stay in quarantine, e.g. entry %: %',
            v_left.rows, v_left.table_name, v_left.first_id, v_left.problem;
    END LOOP;
    RETURN QUERY SELECT j.* FROM oeventdb_internal.journal AS j WHERE j.id = v_entry.id;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.restore_journaled(bigint) IS
'Puts back what an entry of the journal keeps: a removed row, with the rows that pointed at it, a value, or a lost claim on a ticket. Returns the entry.
Warns of the rows that can''t come with it.
Errors: OE404 no such entry; OE400 restored before, or nothing to put back; else the error of the rule that is in the way.';

REVOKE ALL ON FUNCTION oeventdb_internal.restore_journaled(bigint) FROM PUBLIC;
