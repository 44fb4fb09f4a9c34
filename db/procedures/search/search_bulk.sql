-- A rebuild takes the events that belong in the index in pages, as the bytes that Elasticsearch is sent: no client takes a document apart.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_bulk(after bigint, batch integer)
RETURNS TABLE (event_id bigint, lines text)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    SELECT
        e.id::bigint,
        oeventdb_internal.search_lines(e.id::bigint, COALESCE(v.search_version, 1), oeventdb_internal.search_document(e))
    FROM public.events AS e
    -- an event that has not changed since versions are kept has no row yet
    -- the second condition follows from the others, but the planner does not see it and would read the versions from the first on
    LEFT JOIN oeventdb_internal.search_versions AS v ON v.event_id = e.id AND v.event_id > search_bulk.after
    WHERE oeventdb_internal.belongs_in_index(e) AND e.id > search_bulk.after
    ORDER BY e.id
    LIMIT search_bulk.batch;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_bulk(bigint, integer) IS
'The next events that belong in the index after an id, in the order of ids: two lines of a bulk request (NDJSON) for each, with its external version.
Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_bulk(bigint, integer) FROM PUBLIC;
