-- A rebuild takes the events that belong in the index as the bytes that Elasticsearch is sent: no client takes a document apart.
-- SQL and called in a SELECT list, so that its rows are streamed, as PL/pgSQL's never are: neither side holds more than a few of them.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_bulk()
RETURNS SETOF text
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- or coordinates would be written with fewer digits for a role that has asked for fewer
SET extra_float_digits = 1
AS $function$
    SELECT oeventdb_internal.search_lines(e.id::bigint, COALESCE(v.search_version, 1), oeventdb_internal.search_document(e.*))
    FROM public.events AS e
    -- an event that has not changed since versions are kept has no row yet
    LEFT JOIN oeventdb_internal.search_versions AS v ON v.event_id = e.id
    WHERE oeventdb_internal.belongs_in_index(e.*)
    ORDER BY e.id
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_bulk() IS
'Every event that belongs in the index, in the order of ids: two lines of a bulk request (NDJSON) for each, with its external version.
Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_bulk() FROM PUBLIC;
