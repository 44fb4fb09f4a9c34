-- What the index has wrong is sent again under a version that the index cannot have seen, whatever was done to it behind our back.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_mend(event_ids bigint[], versions bigint[]) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_free bigint[];
BEGIN
    -- who waited for somebody that is changing one event, while holding another, could be in a deadlock with them
    v_free := ARRAY(
        SELECT e.id::bigint FROM public.events AS e
        WHERE e.id = ANY (search_mend.event_ids) ORDER BY e.id FOR NO KEY UPDATE SKIP LOCKED
    );
    -- and who is inserting an event again has no row of it to be seen, but that of its version
    v_free := v_free || ARRAY(
        SELECT v.event_id FROM oeventdb_internal.search_versions AS v
        WHERE v.event_id = ANY (search_mend.event_ids) AND NOT EXISTS (SELECT FROM public.events AS e WHERE e.id = v.event_id)
        ORDER BY v.event_id FOR UPDATE SKIP LOCKED
    ) || ARRAY(
        SELECT a.event_id FROM pg_catalog.unnest(search_mend.event_ids) AS a (event_id)
        WHERE NOT EXISTS (SELECT FROM public.events AS e WHERE e.id = a.event_id)
            AND NOT EXISTS (SELECT FROM oeventdb_internal.search_versions AS v WHERE v.event_id = a.event_id)
    );
    -- a version near the largest, which somebody made up, is not gone beyond: it would leave none for the event's next changes
    -- the index also remembers for a while the versions of documents that it no longer has, and does not tell them:
    -- a step of 1000 is beyond any that a direct deletion or two can have added
    WITH changed AS (
        INSERT INTO oeventdb_internal.search_versions AS v (event_id, search_version)
        SELECT a.event_id, CASE WHEN a.version < 1000000000000000000 THEN a.version ELSE 1 END + 1000
        FROM ROWS FROM (pg_catalog.unnest(search_mend.event_ids), pg_catalog.unnest(search_mend.versions))
            AS a (event_id, version)
        WHERE a.event_id = ANY (v_free)
        ORDER BY a.event_id
        ON CONFLICT (event_id) DO UPDATE
        SET
            search_version = GREATEST(v.search_version + 1000, EXCLUDED.search_version),
            changed_by = pg_catalog.pg_current_xact_id()
        RETURNING v.event_id
    )
    INSERT INTO oeventdb_internal.search_outbox (event_id) SELECT c.event_id FROM changed AS c
    ON CONFLICT (event_id) DO NOTHING;
    -- a commit that a crash could undo must not be sent before it is on disk: later changes would take lower versions than the index has
    IF pg_catalog.current_setting('synchronous_commit') = 'off' THEN
        PERFORM pg_catalog.set_config('synchronous_commit', 'local', true);
    END IF;
    RETURN pg_catalog.cardinality(search_mend.event_ids) - pg_catalog.cardinality(v_free);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_mend(bigint[], bigint[]) IS
'Queues events anew under versions beyond those that the index has, but for those from 10^18 on.
Passes over events that somebody is changing; returns how many. With synchronous_commit off, local for this transaction. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_mend(bigint[], bigint[]) FROM PUBLIC;
