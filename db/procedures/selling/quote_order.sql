-- What place_order would charge, line by line; it refuses what place_order would refuse, and changes nothing.
CREATE OR REPLACE FUNCTION oeventdb.quote_order(
    event_id bigint,
    lines jsonb,
    discount_code text DEFAULT NULL,
    access_code text DEFAULT NULL
) RETURNS TABLE (ticket_id bigint, quantity integer, price numeric, discount numeric, amount numeric, currency text)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_order oeventdb_internal.priced_order;
BEGIN
    v_order := oeventdb_internal.price_order(
        quote_order.event_id, quote_order.lines, quote_order.discount_code, quote_order.access_code
    );
    PERFORM oeventdb_internal.refuse_sold_out(l.ticket_id, l.quantity)
    FROM pg_catalog.unnest(v_order.lines) AS l
    WHERE oeventdb_internal.count_free_admissions(l.ticket_id) < l.quantity;

    RETURN QUERY
    SELECT l.ticket_id, l.quantity, l.price, l.discount, l.quantity * (l.price - l.discount), v_order.currency
    FROM pg_catalog.unnest(v_order.lines) AS l;
END
$function$;

COMMENT ON FUNCTION oeventdb.quote_order(bigint, jsonb, text, text) IS
'A row for each line of an order that place_order would take, by ticket_id: price and discount per seat, amount of the line, in the event''s
currency. lines as for place_order. Errors: those of place_order, also OE101 for a ticket that has too few admissions free at this moment.';

REVOKE ALL ON FUNCTION oeventdb.quote_order(bigint, jsonb, text, text) FROM PUBLIC;
