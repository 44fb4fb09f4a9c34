-- An amount off that is more than the price is refused in one wording, from whichever side it came about.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_amount(
    discount_code_id bigint,
    value numeric,
    ticket_id bigint,
    price numeric
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE205',
        pg_catalog.format(
            'discount code %s takes %s off, more than the price %s of ticket %s',
            refuse_amount.discount_code_id, refuse_amount.value, COALESCE(refuse_amount.price, 0), refuse_amount.ticket_id
        ),
        pg_catalog.jsonb_build_object(
            'field', 'value', 'discount_code_id', refuse_amount.discount_code_id, 'ticket_id', refuse_amount.ticket_id,
            'value', refuse_amount.value, 'price', COALESCE(refuse_amount.price, 0)
        ),
        'Lower the amount, raise the price, or take the ticket off the code.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_amount(bigint, numeric, bigint, numeric) IS
'Raises OE205 (discount_code_definition), field value.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_amount(bigint, numeric, bigint, numeric) FROM PUBLIC;
