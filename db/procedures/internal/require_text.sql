-- A text that must say something may be neither NULL nor blank.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_text(
    argument text,
    value text
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_text.value IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument(require_text.argument, 'is NULL');
    ELSIF pg_catalog.btrim(require_text.value, E' \t\n\r\f\x0B') = '' THEN
        PERFORM oeventdb_internal.refuse_argument(require_text.argument, 'is empty');
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_text(text, text) IS
'Raises OE400 for a NULL or blank value of the argument.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_text(text, text) FROM PUBLIC;
