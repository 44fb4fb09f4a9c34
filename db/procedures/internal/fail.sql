-- Every refusal by a function is raised here, in one shape: an own SQLSTATE, a JSON DETAIL for machines, a HINT for people.
CREATE OR REPLACE FUNCTION oeventdb_internal.fail(
    code text,
    message text,
    detail jsonb,
    hint text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = fail.code,
        MESSAGE = fail.message,
        DETAIL = fail.detail::text,
        HINT = fail.hint;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.fail(text, text, jsonb, text) IS
'Raises SQLSTATE code (class OE) with the message, the detail as JSON text and the hint; never returns.';

REVOKE ALL ON FUNCTION oeventdb_internal.fail(text, text, jsonb, text) FROM PUBLIC;
