-- Every event that belongs in the index, published and not deleted, with the version and the document that the index is to hold.
CREATE OR REPLACE FUNCTION oeventdb.search_documents()
RETURNS TABLE (event_id bigint, search_version bigint, document jsonb)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- or coordinates would be written with fewer digits for a role that has asked for fewer
SET extra_float_digits = 1
AS $function$
BEGIN
    RETURN QUERY
    SELECT e.id::bigint, COALESCE(v.search_version, 1), oeventdb_internal.search_document(e.*)::jsonb
    FROM public.events AS e
    LEFT JOIN oeventdb_internal.search_versions AS v ON v.event_id = e.id
    WHERE oeventdb_internal.belongs_in_index(e.*);
END
$function$;

COMMENT ON FUNCTION oeventdb.search_documents() IS
'(event_id, search_version, document) of every event that belongs in the index: published and not deleted. '
'The version only grows, in commit order, also across delete and re-insert of an id. '
'In the document dates are UTC, empty texts are null (but for name), location is null where the coordinates are missing or impossible. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb.search_documents() FROM PUBLIC;
