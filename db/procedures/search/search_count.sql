-- How many events belong in the index, as the calling transaction sees them.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_count() RETURNS bigint
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (SELECT pg_catalog.count(*) FROM public.events AS e WHERE oeventdb_internal.belongs_in_index(e.*));
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_count() IS
'The number of events that belong in the index. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_count() FROM PUBLIC;
