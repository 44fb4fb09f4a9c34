-- What an order costs, seat by seat, under the rules of sale as they are now; quote_order and place_order both ask here.
CREATE OR REPLACE FUNCTION oeventdb_internal.price_order(
    event_id bigint,
    lines jsonb,
    discount_code text,
    access_code text,
    is_placed boolean DEFAULT false
) RETURNS oeventdb_internal.priced_order
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_order oeventdb_internal.priced_order;
    v_event record;
    v_digits integer;
    v_lines oeventdb_internal.order_line[];
    v_line oeventdb_internal.order_line;
    v_access public.access_codes;
    v_discount public.discount_codes;
BEGIN
    IF price_order.event_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('event_id', 'is NULL');
    END IF;
    v_lines := oeventdb_internal.read_order_lines(price_order.lines);

    SELECT e.state, e.ends_at, COALESCE(NULLIF(e.payment_currency, ''), 'USD') AS currency INTO v_event
    FROM public.events AS e WHERE e.id = price_order.event_id AND e.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('event', price_order.event_id);
    ELSIF v_event.state IS DISTINCT FROM 'published' THEN
        PERFORM oeventdb_internal.fail(
            'OE102',
            pg_catalog.format('event %s is not published', price_order.event_id),
            pg_catalog.jsonb_build_object('event_id', price_order.event_id, 'state', v_event.state),
            'Publish the event before selling its tickets.'
        );
    END IF;
    v_order.currency := v_event.currency;
    v_digits := oeventdb_internal.currency_digits(v_event.currency);

    IF price_order.access_code IS NOT NULL THEN
        PERFORM oeventdb_internal.require_text('access_code', price_order.access_code);
        v_access := oeventdb_internal.find_access_code(price_order.event_id, price_order.access_code, v_event.ends_at);
    END IF;
    IF price_order.discount_code IS NOT NULL THEN
        PERFORM oeventdb_internal.require_text('discount_code', price_order.discount_code);
        v_discount := oeventdb_internal.find_discount_code(price_order.event_id, price_order.discount_code, v_event.ends_at);
    END IF;

    v_order.amount := 0;
    v_order.seats := 0;
    FOR v_place IN 1 .. pg_catalog.cardinality(v_lines) LOOP
        v_line := oeventdb_internal.sell_ticket(v_lines[v_place], price_order.event_id, v_digits, v_access.id);
        IF v_line.discount_code_id = v_discount.id THEN
            v_line.discount := oeventdb_internal.seat_discount(
                v_line.type, v_line.price, v_discount.type, v_discount.value::numeric, v_digits
            );
            v_order.discount_seats := COALESCE(v_order.discount_seats, 0) + v_line.quantity;
        END IF;
        IF v_line.is_accessible THEN
            v_order.access_seats := COALESCE(v_order.access_seats, 0) + v_line.quantity;
        END IF;
        v_order.amount := v_order.amount + v_line.quantity * (v_line.price - v_line.discount);
        v_order.seats := v_order.seats + v_line.quantity;
        v_lines[v_place] := v_line;
    END LOOP;
    IF v_order.amount > 1.7976931348623157e308 THEN
        -- more than a float8 keeps
        PERFORM oeventdb_internal.refuse_argument('lines', 'cost more than an order can');
    END IF;
    v_order.lines := v_lines;
    IF price_order.is_placed THEN
        -- its own uses are taken
        RETURN v_order;
    END IF;

    IF v_discount.id IS NOT NULL THEN
        v_order.discount_code_id := v_discount.id;
        PERFORM oeventdb_internal.require_discount_use(v_discount, v_order.discount_seats);
    END IF;
    IF v_access.id IS NOT NULL THEN
        v_order.access_code_id := v_access.id;
        PERFORM oeventdb_internal.require_access_use(v_access, COALESCE(v_order.access_seats, 0));
    END IF;
    RETURN v_order;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.price_order(bigint, jsonb, text, text, boolean) IS
'The lines with prices and discounts per seat, the sum and the currency. Raises what place_order raises, but for sold out;
for an order that is placed, not what comes of the uses of its codes.';

REVOKE ALL ON FUNCTION oeventdb_internal.price_order(bigint, jsonb, text, text, boolean) FROM PUBLIC;
