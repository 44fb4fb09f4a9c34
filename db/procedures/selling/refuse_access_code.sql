-- An access code that does not open what is asked is refused in one wording.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_access_code(
    reason text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE107',
        pg_catalog.format('the access code is %s', refuse_access_code.reason),
        pg_catalog.jsonb_build_object('reason', refuse_access_code.reason),
        'Ask the organizer for a code that is valid now, or order within its quantities.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_access_code(text) IS
'Raises OE107 (access_code_invalid) with the reason.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_access_code(text) FROM PUBLIC;
