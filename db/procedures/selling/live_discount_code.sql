-- A buyer names a discount code by its text, in upper or lower case, within its event; of old duplicates the one that is none comes first.
-- SQL without SECURITY DEFINER and SET search_path, so that it is inlined. Every name in it is qualified.
CREATE OR REPLACE FUNCTION oeventdb_internal.live_discount_code(
    event_id bigint,
    code text
) RETURNS SETOF public.discount_codes
LANGUAGE sql
STABLE
ROWS 1
AS $function$
    SELECT c.* FROM public.discount_codes AS c
    WHERE c.event_id = live_discount_code.event_id
        AND pg_catalog.lower(pg_catalog.lower(c.code COLLATE "C") COLLATE "default")
            = pg_catalog.lower(pg_catalog.lower(live_discount_code.code COLLATE "C") COLLATE "default")
        AND c.deleted_at IS NULL
    ORDER BY c.is_duplicate, c.id LIMIT 1
$function$;

COMMENT ON FUNCTION oeventdb_internal.live_discount_code(bigint, text) IS
'The discount code of the event that reads so and is not deleted, or no row. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.live_discount_code(bigint, text) FROM PUBLIC;
