-- An entry of the journal that cannot be put back says why, and what to do instead of giving another one.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_restoring(
    reason text,
    hint text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE400',
        pg_catalog.format('the entry %s', refuse_restoring.reason),
        pg_catalog.jsonb_build_object('argument', 'journal_id', 'reason', refuse_restoring.reason),
        refuse_restoring.hint
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_restoring(text, text) IS
'Raises OE400 (invalid_argument) for an entry of the journal that there is, but that cannot be put back.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_restoring(text, text) FROM PUBLIC;
