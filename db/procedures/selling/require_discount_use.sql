-- A discount code is used for as many covered seats as it allows, and has uses left.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_discount_use(
    discount_code public.discount_codes,
    seats integer
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_discount_use.seats IS NULL THEN
        PERFORM oeventdb_internal.refuse_discount_code('for none of these tickets');
    ELSIF require_discount_use.seats < (require_discount_use.discount_code).min_quantity
        -- in old databases 0 and negative mean no limit
        OR require_discount_use.seats > NULLIF(GREATEST((require_discount_use.discount_code).max_quantity, 0), 0)
    THEN
        PERFORM oeventdb_internal.fail(
            'OE204',
            pg_catalog.format('the discount code is not for %s seats', require_discount_use.seats),
            pg_catalog.jsonb_build_object(
                'quantity', require_discount_use.seats,
                'min_quantity', (require_discount_use.discount_code).min_quantity,
                'max_quantity', (require_discount_use.discount_code).max_quantity
            ),
            'Order min_quantity to max_quantity of the tickets that the code covers.'
        );
    ELSIF (require_discount_use.discount_code).used_number + require_discount_use.seats
        > (require_discount_use.discount_code).tickets_number
    THEN
        PERFORM oeventdb_internal.fail(
            'OE203',
            'the discount code has not enough uses left',
            pg_catalog.jsonb_build_object(
                'discount_code_id', (require_discount_use.discount_code).id,
                'requested', require_discount_use.seats,
                'remaining',
                (require_discount_use.discount_code).tickets_number - (require_discount_use.discount_code).used_number
            ),
            'Order at most the remaining number of covered seats, or without the code.'
        );
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_discount_use(public.discount_codes, integer) IS
'Raises OE202 for a code that covers none of the seats, OE204 outside its quantities, OE203 with too few uses left.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_discount_use(public.discount_codes, integer) FROM PUBLIC;
