-- What a constraint on discount codes refuses is explained by the field it is about.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_definition(
    field text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE205',
        pg_catalog.format('a discount code cannot have this %s', refuse_definition.field),
        pg_catalog.jsonb_build_object('field', refuse_definition.field),
        CASE refuse_definition.field
            WHEN 'value' THEN 'A percent is from 0 to 100, an amount from 0 to the price of each covered ticket.'
            WHEN 'code' THEN 'Another live code of the event reads the same, whatever its case, or the text is too long: choose another.'
            WHEN 'max_quantity' THEN 'max_quantity is at least 0; NULL is unlimited.'
            WHEN 'min_quantity' THEN 'min_quantity is from 0 to max_quantity.'
            WHEN 'tickets_number' THEN 'tickets_number is at least 0 and at least max_quantity; NULL is unlimited.'
            WHEN 'valid_till' THEN 'valid_from is before valid_till.'
            ELSE 'See the constraint of that name on public.discount_codes.'
        END
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_definition(text) IS
'Raises OE205 (discount_code_definition) with the field.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_definition(text) FROM PUBLIC;
