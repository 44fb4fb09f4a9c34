-- A buyer names an access code by its text, in upper or lower case, within its event; of several an active one comes first, then the oldest.
-- SQL without SECURITY DEFINER and SET search_path, so that it is inlined. Every name in it is qualified.
CREATE OR REPLACE FUNCTION oeventdb_internal.live_access_code(
    event_id bigint,
    code text
) RETURNS SETOF public.access_codes
LANGUAGE sql
STABLE
ROWS 1
AS $function$
    SELECT c.* FROM public.access_codes AS c
    WHERE c.event_id = live_access_code.event_id
        AND pg_catalog.lower(pg_catalog.lower(c.code COLLATE "C") COLLATE "default")
            = pg_catalog.lower(pg_catalog.lower(live_access_code.code COLLATE "C") COLLATE "default")
        AND c.deleted_at IS NULL
    ORDER BY c.is_active IS NOT TRUE, c.id LIMIT 1
$function$;

COMMENT ON FUNCTION oeventdb_internal.live_access_code(bigint, text) IS
'The access code of the event that reads so and is not deleted, or no row. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.live_access_code(bigint, text) FROM PUBLIC;
