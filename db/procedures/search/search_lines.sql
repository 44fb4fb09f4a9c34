-- What is sent to Elasticsearch for an event is written here: its document, or without one its deletion, each with the external version.
-- SQL without SECURITY DEFINER and SET search_path, so that it is inlined; the document stands in it once, or it would not be.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_lines(event_id bigint, search_version bigint, document text)
RETURNS text
LANGUAGE sql
STABLE
AS $function$
    SELECT COALESCE(
        '{"index":{"_id":"' || search_lines.event_id::text || '","version":' || search_lines.search_version::text
        || E',"version_type":"external"}}\n' || search_lines.document || E'\n',
        '{"delete":{"_id":"' || search_lines.event_id::text || '","version":' || search_lines.search_version::text
        || E',"version_type":"external"}}\n'
    )
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_lines(bigint, bigint, text) IS
'The lines of a bulk request (NDJSON) for an event: action and document, or a deletion where the document is NULL. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_lines(bigint, bigint, text) FROM PUBLIC;
