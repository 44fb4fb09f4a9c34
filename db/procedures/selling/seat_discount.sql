-- What a code takes off one seat: a percentage, or an amount up to the price; nothing off free and donation tickets.
CREATE OR REPLACE FUNCTION oeventdb_internal.seat_discount(
    ticket_type text,
    price numeric,
    discount_type text,
    value numeric,
    digits integer
) RETURNS numeric
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF seat_discount.ticket_type IN ('free', 'donation') THEN
        RETURN 0;
    ELSIF seat_discount.discount_type = 'percent' THEN
        -- the price that is left is rounded, half up, and an old code of 150 % takes no more than the price
        RETURN seat_discount.price - pg_catalog.round(
            seat_discount.price * (100 - LEAST(GREATEST(seat_discount.value, 0), 100)) / 100, seat_discount.digits
        );
    END IF;
    RETURN seat_discount.price - pg_catalog.round(
        seat_discount.price - LEAST(GREATEST(seat_discount.value, 0), seat_discount.price), seat_discount.digits
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.seat_discount(text, numeric, text, numeric, integer) IS
'The discount on one seat, in the currency of the price; digits are the decimals of its minor unit.';

REVOKE ALL ON FUNCTION oeventdb_internal.seat_discount(text, numeric, text, numeric, integer) FROM PUBLIC;
