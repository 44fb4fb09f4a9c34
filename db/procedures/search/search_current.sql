-- The versions of some events as they are now; an event that does not belong in the index is not among them.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_current(event_ids bigint[])
RETURNS TABLE (event_id bigint, search_version bigint)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    SELECT a.event_id, COALESCE(v.search_version, 1)
    FROM pg_catalog.unnest(search_current.event_ids) AS a (event_id)
    JOIN public.events AS e ON e.id = a.event_id AND oeventdb_internal.belongs_in_index(e)
    LEFT JOIN oeventdb_internal.search_versions AS v ON v.event_id = a.event_id;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_current(bigint[]) IS
'(event_id, search_version) of those of the named events that belong in the index. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_current(bigint[]) FROM PUBLIC;
