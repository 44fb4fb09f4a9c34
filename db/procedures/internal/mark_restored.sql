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
