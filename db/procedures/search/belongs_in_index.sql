-- An event belongs in the index while it is published and not deleted.
-- SQL without SECURITY DEFINER and SET search_path, so that it is inlined. Every name in it is qualified.
CREATE OR REPLACE FUNCTION oeventdb_internal.belongs_in_index(event public.events)
RETURNS boolean
LANGUAGE sql
STABLE
AS $function$
    SELECT (belongs_in_index.event).state = 'published' AND (belongs_in_index.event).deleted_at IS NULL
$function$;

COMMENT ON FUNCTION oeventdb_internal.belongs_in_index(public.events) IS
'Whether an event is to be found: state published, not deleted. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.belongs_in_index(public.events) FROM PUBLIC;
