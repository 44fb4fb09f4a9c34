-- A row that does not exist, or is deleted, is refused in one wording.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_unknown(
    resource text,
    id anyelement
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE404',
        pg_catalog.format(
            '%s %s does not exist',
            pg_catalog.replace(refuse_unknown.resource COLLATE "C", '_', ' '), pg_catalog.left(refuse_unknown.id::text, 100)
        ),
        pg_catalog.jsonb_build_object(
            'resource', refuse_unknown.resource,
            'id', CASE WHEN pg_catalog.length(refuse_unknown.id::text) > 100
                THEN pg_catalog.to_jsonb(pg_catalog.left(refuse_unknown.id::text, 100))
                ELSE pg_catalog.to_jsonb(refuse_unknown.id) END
        ),
        'Check the id: the row may have been deleted.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_unknown(text, anyelement) IS
'Raises OE404 (not_found) with the kind of row and its id, of which a text of more than 100 characters is cut.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_unknown(text, anyelement) FROM PUBLIC;
