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
