-- A discount code that does not apply is refused in one wording.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_discount_code(
    reason text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE202',
        pg_catalog.format('the discount code is %s', refuse_discount_code.reason),
        pg_catalog.jsonb_build_object('reason', refuse_discount_code.reason),
        'Order without the code, or with one that is valid now and covers a ticket of the order.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_discount_code(text) IS
'Raises OE202 (discount_code_invalid) with the reason.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_discount_code(text) FROM PUBLIC;
