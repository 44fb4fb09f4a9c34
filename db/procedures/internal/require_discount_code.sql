-- A function that works on one discount code starts by making sure that the code exists.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_discount_code(
    discount_code_id bigint
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_discount_code.discount_code_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('discount_code_id', 'is NULL');
    END IF;

    PERFORM FROM public.discount_codes AS c
    WHERE c.id = require_discount_code.discount_code_id AND c.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('discount_code', require_discount_code.discount_code_id);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_discount_code(bigint) IS
'Raises OE400 for NULL, OE404 for an unknown or deleted discount code.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_discount_code(bigint) FROM PUBLIC;
