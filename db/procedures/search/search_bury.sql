-- A document that Elasticsearch will not take is set aside with the reason, so that it does not hold up the others; its next change brings it back.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_bury(event_id bigint, search_version bigint, reason text) RETURNS void
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.search_acknowledge(ARRAY[search_bury.event_id], ARRAY[search_bury.search_version]);
    INSERT INTO oeventdb_internal.search_dead_letters AS d (event_id, search_version, reason)
    VALUES (search_bury.event_id, search_bury.search_version, search_bury.reason)
    ON CONFLICT ON CONSTRAINT search_dead_letters_pkey DO UPDATE
    SET search_version = EXCLUDED.search_version, reason = EXCLUDED.reason, failed_at = EXCLUDED.failed_at;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_bury(bigint, bigint, text) IS
'Moves a version of an event from the outbox to search_dead_letters with what Elasticsearch said of it. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_bury(bigint, bigint, text) FROM PUBLIC;
