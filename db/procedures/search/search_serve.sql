-- The outbox is for one alias: what is removed from it for that one, no other index ever gets.
CREATE OR REPLACE FUNCTION oeventdb_internal.search_serve(alias text, instead boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO oeventdb_internal.search_served AS s (alias) VALUES (search_serve.alias)
    ON CONFLICT ON CONSTRAINT search_served_pkey DO UPDATE SET alias = EXCLUDED.alias
    WHERE search_serve.instead AND s.alias <> EXCLUDED.alias;
    RETURN EXISTS (SELECT FROM oeventdb_internal.search_served AS s WHERE s.alias = search_serve.alias);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.search_serve(text, boolean) IS
'Whether the outbox is for this alias: it is for the first that asks, until one asks to have it instead. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.search_serve(text, boolean) FROM PUBLIC;
