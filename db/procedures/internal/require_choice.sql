-- An argument that is one of a few words is refused when it is none of them.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_choice(
    argument text,
    value text,
    choices text[]
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_choice.value IS NULL OR require_choice.value COLLATE "C" <> ALL (require_choice.choices) THEN
        PERFORM oeventdb_internal.refuse_argument(
            require_choice.argument,
            pg_catalog.format('is none of %s', pg_catalog.array_to_string(require_choice.choices, ', '))
        );
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_choice(text, text, text[]) IS
'Raises OE400 for a value of the argument that is NULL or none of the choices.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_choice(text, text, text[]) FROM PUBLIC;
