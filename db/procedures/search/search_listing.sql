-- What the index has to hold, without the documents: the side of the database when the two are compared.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_listing(after bigint, batch integer)
RETURNS TABLE (event_id bigint, search_version bigint)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    SELECT e.id::bigint, COALESCE(v.search_version, 1)
    FROM public.events AS e
    -- the second condition follows from the others, but the planner does not see it and would read the versions from the first on
    LEFT JOIN oeventdb_internal.search_versions AS v ON v.event_id = e.id AND v.event_id > search_listing.after
    WHERE oeventdb_internal.belongs_in_index(e.*) AND e.id > search_listing.after
    ORDER BY e.id
    LIMIT search_listing.batch;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_listing(bigint, integer) IS
'The next events that belong in the index after an id, in the order of ids, with their versions. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_listing(bigint, integer) FROM PUBLIC;
