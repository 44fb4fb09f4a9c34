-- What a rebuild has indexed need not wait in the outbox any longer, nor be set aside.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_settle(seen pg_snapshot, alias text) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_ids bigint[];
    v_versions bigint[];
BEGIN
    IF NOT oeventdb_internal.search_serve(search_settle.alias) THEN
        RETURN 0;
    END IF;
    SELECT pg_catalog.array_agg(v.event_id), pg_catalog.array_agg(v.search_version) INTO v_ids, v_versions
    FROM (
        SELECT o.event_id FROM oeventdb_internal.search_outbox AS o
        UNION SELECT d.event_id FROM oeventdb_internal.search_dead_letters AS d
    ) AS w
    JOIN oeventdb_internal.search_versions AS v ON v.event_id = w.event_id
    -- a transaction that is still to come here was one of the server that a backup is from
    WHERE pg_catalog.pg_visible_in_snapshot(v.changed_by, search_settle.seen)
        OR v.changed_by >= pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot());
    RETURN oeventdb_internal.search_acknowledge(v_ids, v_versions);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_settle(pg_snapshot, text) IS
'Removes from the outbox and from search_dead_letters what a snapshot has seen and a rebuild has indexed, if that was for the alias that the
outbox is for; returns how many left the outbox. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_settle(pg_snapshot, text) FROM PUBLIC;
