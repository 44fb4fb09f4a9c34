-- How some events are now: version, whether they belong in the index, whether a change of theirs waits in the outbox.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_current(event_ids bigint[])
RETURNS TABLE (event_id bigint, search_version bigint, belongs boolean, waits boolean)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    SELECT a.event_id, COALESCE(v.search_version, 1), e.id IS NOT NULL, o.event_id IS NOT NULL
    FROM pg_catalog.unnest(search_current.event_ids) AS a (event_id)
    LEFT JOIN public.events AS e ON e.id = a.event_id AND oeventdb_internal.belongs_in_index(e.*)
    LEFT JOIN oeventdb_internal.search_versions AS v ON v.event_id = a.event_id
    LEFT JOIN oeventdb_internal.search_outbox AS o ON o.event_id = a.event_id;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_current(bigint[]) IS
'(event_id, search_version, belongs in the index, waits in the outbox) of each of the named events, whether it exists or not. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_current(bigint[]) FROM PUBLIC;
