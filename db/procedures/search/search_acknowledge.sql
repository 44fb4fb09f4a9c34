-- A change leaves the outbox only when the index has its version or a newer one, and no newer one is waiting.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_acknowledge(event_ids bigint[], versions bigint[]) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan for these very ids would cost as much as the statement
SET plan_cache_mode = 'force_generic_plan'
-- and a plan lasts as long as its session: one made while the outbox is empty would read it from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_ids bigint[];
    v_added bigint[];
    v_free bigint[];
    v_removed bigint;
BEGIN
    -- What was queued by hand may have no version yet, and gets one. That comes before the locks, and is of these alone: whoever has locked
    -- the table, or is inserting an event again, would be waited for, and may be about to wait for one of the locks.
    v_added := ARRAY(
        SELECT a.event_id FROM pg_catalog.unnest(search_acknowledge.event_ids) AS a (event_id)
        WHERE NOT EXISTS (SELECT FROM oeventdb_internal.search_versions AS v WHERE v.event_id = a.event_id)
    );
    IF pg_catalog.cardinality(v_added) > 0 THEN
        -- who is changing the event is not waited for: see search_mend
        v_free := ARRAY(
            SELECT e.id::bigint FROM public.events AS e WHERE e.id = ANY (v_added) ORDER BY e.id FOR NO KEY UPDATE OF e SKIP LOCKED
        );
        WITH added AS (
            INSERT INTO oeventdb_internal.search_versions AS v (event_id, search_version)
            SELECT a.event_id, 1 FROM pg_catalog.unnest(v_added) AS a (event_id)
            WHERE a.event_id = ANY (v_free) OR NOT EXISTS (SELECT FROM public.events AS e WHERE e.id = a.event_id)
            ORDER BY a.event_id
            ON CONFLICT (event_id) DO NOTHING
            RETURNING v.event_id
        )
        SELECT ARRAY(SELECT a.event_id FROM added AS a) INTO v_added;
    END IF;
    -- whoever is changing an event holds the row of its version: then its place in the outbox is needed for that change,
    -- and stays. Whoever changes it later waits here for the end of this transaction and then queues it anew.
    v_ids := v_added || ARRAY(
        SELECT v.event_id
        FROM ROWS FROM (pg_catalog.unnest(search_acknowledge.event_ids), pg_catalog.unnest(search_acknowledge.versions))
            AS a (event_id, version)
        JOIN oeventdb_internal.search_versions AS v ON v.event_id = a.event_id
        WHERE v.search_version <= a.version
        FOR UPDATE OF v SKIP LOCKED
    );
    DELETE FROM oeventdb_internal.search_outbox AS o WHERE o.event_id = ANY (v_ids);
    GET DIAGNOSTICS v_removed = ROW_COUNT;
    DELETE FROM oeventdb_internal.search_dead_letters AS d WHERE d.event_id = ANY (v_ids);
    RETURN v_removed;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_acknowledge(bigint[], bigint[]) IS
'Says that the index has these versions of these events; returns how many left the outbox: an event that has changed since stays in it. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_acknowledge(bigint[], bigint[]) FROM PUBLIC;
