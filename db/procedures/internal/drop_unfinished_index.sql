-- CREATE INDEX CONCURRENTLY leaves an invalid index when it is interrupted: it is removed, so that the next try builds it.
CREATE OR REPLACE FUNCTION oeventdb_internal.drop_unfinished_index(
    index_name text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        INNER JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
        WHERE NOT i.indisvalid AND c.relname = drop_unfinished_index.index_name
            AND c.relnamespace = 'public'::pg_catalog.regnamespace
    ) THEN
        EXECUTE pg_catalog.format('DROP INDEX public.%I', drop_unfinished_index.index_name);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.drop_unfinished_index(text) IS
'Drops the named index of schema public if it is invalid, and only then.';

REVOKE ALL ON FUNCTION oeventdb_internal.drop_unfinished_index(text) FROM PUBLIC;
