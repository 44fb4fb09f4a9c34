-- How far the index is behind: changes that wait, the age of the oldest, documents that were set aside.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_lag()
RETURNS TABLE (pending bigint, seconds double precision, dead bigint)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    SELECT
        pg_catalog.count(*),
        -- 0 also where all were queued before the clock was set back
        GREATEST(pg_catalog.date_part('epoch', pg_catalog.statement_timestamp() - pg_catalog.min(o.queued_at)), 0),
        (SELECT pg_catalog.count(*) FROM oeventdb_internal.search_dead_letters)
    FROM oeventdb_internal.search_outbox AS o;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_lag() IS
'(pending changes, age of the oldest in seconds, documents set aside). Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_lag() FROM PUBLIC;
