-- The document of an event is written as JSON here, once for search_documents, for a rebuild and for what changed since.
-- SQL without SECURITY DEFINER and SET search_path, so that it is inlined: a call for each event would cost more than the rendering.
-- Joined to texts rather than built with json_build_object: half the time. Every name in it is qualified.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_document(event public.events)
RETURNS text
LANGUAGE sql
STABLE
AS $function$
    SELECT
    '{"id":' || (search_document.event).id::text
    || ',"identifier":' || COALESCE(pg_catalog.to_json((search_document.event).identifier)::text, 'null')
    || ',"name":' || COALESCE(pg_catalog.to_json((search_document.event).name)::text, 'null')
    || ',"searchable_location_name":' || COALESCE(pg_catalog.to_json(NULLIF((search_document.event).searchable_location_name, ''))::text, 'null')
    || ',"organizer_name":' || COALESCE(pg_catalog.to_json(NULLIF((search_document.event).organizer_name, ''))::text, 'null')
    || ',"organizer_description":' || COALESCE(pg_catalog.to_json(NULLIF((search_document.event).organizer_description, ''))::text, 'null')
    -- infinite dates and years of other than four digits are no dates to Elasticsearch
    || ',"starts_at":' || CASE
        WHEN (search_document.event).starts_at >= '0001-01-01 00:00:00+00' AND (search_document.event).starts_at < '10000-01-01 00:00:00+00'
            THEN pg_catalog.left(pg_catalog.to_json((search_document.event).starts_at AT TIME ZONE 'UTC')::text, -1) || 'Z"'
        ELSE 'null' END
    || ',"ends_at":' || CASE
        WHEN (search_document.event).ends_at >= '0001-01-01 00:00:00+00' AND (search_document.event).ends_at < '10000-01-01 00:00:00+00'
            THEN pg_catalog.left(pg_catalog.to_json((search_document.event).ends_at AT TIME ZONE 'UTC')::text, -1) || 'Z"'
        ELSE 'null' END
    || ',"timezone":' || COALESCE(pg_catalog.to_json((search_document.event).timezone)::text, 'null')
    -- NaN is greater than any number, so it is outside as well
    || ',"location":' || CASE
        WHEN (search_document.event).latitude BETWEEN -90 AND 90 AND (search_document.event).longitude BETWEEN -180 AND 180
            THEN '{"lat":' || (search_document.event).latitude::text || ',"lon":' || (search_document.event).longitude::text || '}'
        ELSE 'null' END
    || ',"privacy":' || COALESCE(pg_catalog.to_json((search_document.event).privacy)::text, 'null')
    -- the long text comes last: what follows a text in the chain copies it once more
    || ',"description":' || COALESCE(pg_catalog.to_json(NULLIF((search_document.event).description, ''))::text, 'null')
    || '}'
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_document(public.events) IS
'The document of an event as JSON text: dates in UTC, empty texts null (but for name), no location where the coordinates are missing or impossible.
Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_document(public.events) FROM PUBLIC;
