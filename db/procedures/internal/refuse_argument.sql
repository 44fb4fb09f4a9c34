-- An argument that cannot be meant is refused by name, in one wording.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_argument(
    argument text,
    reason text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE400',
        pg_catalog.format('%s %s', refuse_argument.argument, refuse_argument.reason),
        pg_catalog.jsonb_build_object('argument', refuse_argument.argument, 'reason', refuse_argument.reason),
        pg_catalog.format('Correct %s and call again; nothing was written.', refuse_argument.argument)
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_argument(text, text) IS
'Raises OE400 (invalid_argument) with the name of the argument and what is wrong with it.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_argument(text, text) FROM PUBLIC;
