-- An order is sold whole or not at all, under the rules of sale, and held until it is paid or expires; a free one is complete at once.
CREATE OR REPLACE FUNCTION oeventdb.place_order(
    event_id bigint,
    lines jsonb,
    email text,
    discount_code text DEFAULT NULL,
    access_code text DEFAULT NULL,
    idempotency_key text DEFAULT NULL,
    hold interval DEFAULT '15 minutes'
) RETURNS SETOF oeventdb."order"
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- its statements take the same way whatever the arguments; planning them at each call would cost more than running them
SET plan_cache_mode = 'force_generic_plan'
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_priced oeventdb_internal.priced_order;
    v_order oeventdb."order";
    v_request jsonb;
BEGIN
    PERFORM oeventdb_internal.require_buyer(place_order.email, place_order.idempotency_key, place_order.hold);
    IF place_order.idempotency_key IS NOT NULL THEN
        -- the lines as they are read: a quantity of 1.0 is one of 1
        v_request := pg_catalog.jsonb_build_array(
            place_order.event_id, oeventdb_internal.read_order_lines(place_order.lines), place_order.email,
            place_order.discount_code, place_order.access_code, EXTRACT(EPOCH FROM place_order.hold)
        );
        v_order := oeventdb_internal.begin_request(place_order.idempotency_key, v_request);
        IF v_order.id IS NOT NULL THEN
            RETURN NEXT v_order;
            RETURN;
        END IF;
    END IF;

    -- everybody locks in this order: discount code, access code, tickets by id; the uses are counted by the trigger of orders
    IF place_order.discount_code IS NOT NULL OR place_order.access_code IS NOT NULL THEN
        PERFORM oeventdb_internal.lock_codes(
            place_order.event_id, place_order.lines, place_order.discount_code, place_order.access_code
        );
    END IF;
    -- under the locks: while they were waited for, a code may have been used, given back, changed or deleted
    v_priced := oeventdb_internal.price_order(
        place_order.event_id, place_order.lines, place_order.discount_code, place_order.access_code
    );
    -- a single seat is claimed by the trigger of ticket_holders; several only here, where no part of them is held while waiting for the rest
    IF v_priced.seats > 1 THEN
        v_priced.lines := oeventdb_internal.claim_lines(v_priced.lines, place_order.event_id);
    END IF;

    -- in one statement, as each costs about as much again as the rows that it writes
    WITH placed AS (
        INSERT INTO public.orders AS o (
            identifier, event_id, email, amount, currency, status, created_at, completed_at, expires_at, payment_mode,
            discount_code_id, discount_seats, access_code_id, access_seats
        ) VALUES (
            pg_catalog.gen_random_uuid()::text, place_order.event_id, place_order.email,
            v_priced.amount::double precision, v_priced.currency,
            CASE WHEN v_priced.amount = 0 THEN 'completed' ELSE 'pending' END, pg_catalog.now(),
            CASE WHEN v_priced.amount = 0 THEN pg_catalog.now() END,
            -- in seconds, as it was compared: some months have more than 30 days, some days more than 24 hours
            CASE WHEN v_priced.amount > 0 THEN pg_catalog.now() + pg_catalog.make_interval(secs => EXTRACT(EPOCH FROM place_order.hold)) END,
            CASE WHEN v_priced.amount = 0 THEN 'free' END,
            v_priced.discount_code_id, v_priced.discount_seats, v_priced.access_code_id, v_priced.access_seats
        ) RETURNING (oeventdb_internal.order_row(o.*)).*
    ), sold AS (
        INSERT INTO public.orders_tickets (order_id, ticket_id, quantity, price, discount)
        SELECT p.id, l.ticket_id, l.quantity, l.price, l.discount
        FROM placed AS p CROSS JOIN pg_catalog.unnest(v_priced.lines) AS l
    ), admitted AS (
        INSERT INTO public.ticket_holders (order_id, event_id, ticket_id, admission_no, firstname, lastname, email, is_checked_in)
        SELECT
            p.id, place_order.event_id, l.ticket_id, l.admissions[s.seat],
            COALESCE(l.holders -> (s.seat - 1) ->> 'firstname', ''),
            COALESCE(l.holders -> (s.seat - 1) ->> 'lastname', ''),
            COALESCE(l.holders -> (s.seat - 1) ->> 'email', place_order.email), false
        FROM placed AS p
        CROSS JOIN pg_catalog.unnest(v_priced.lines) AS l
        CROSS JOIN LATERAL pg_catalog.generate_series(1, l.quantity) AS s (seat)
    )
    SELECT p.* INTO v_order FROM placed AS p;
    IF pg_catalog.current_setting('oeventdb.has_waited', true) = 'on' THEN
        -- seats may have come free because the event or the ticket is sold no more
        PERFORM oeventdb_internal.price_order(
            place_order.event_id, place_order.lines, place_order.discount_code, place_order.access_code, true
        );
    END IF;

    IF place_order.idempotency_key IS NOT NULL THEN
        -- by the collation that the caller's text may have it could be other keys as well
        UPDATE oeventdb_internal.order_requests AS r SET order_id = v_order.id
        WHERE r.idempotency_key = place_order.idempotency_key COLLATE "default";
    END IF;
    RETURN NEXT v_order;
END
$function$;

COMMENT ON FUNCTION oeventdb.place_order(bigint, jsonb, text, text, text, text, interval) IS
'Sells seats of one event and returns the order: pending and held for hold (at most 30 days; a month of it has 30), or completed if nothing is to pay.
lines is [{"ticket_id": 1, "quantity": 2, "price": 5.00, "holders": [{"firstname", "lastname", "email"}]}], 1 to 100 tickets and at most 10000 seats;
price only for a donation, holders optional. Each seat becomes a ticket holder; amount is in the event''s currency (payment_currency, else USD).
The same idempotency_key with the same request returns the order that it made, and sells nothing again.
Errors: OE400 an argument is NULL or cannot be meant; OE404 no such event or ticket; OE101 sold out; OE102 not on sale; OE103 outside min_order or
max_order; OE105 ticket of another event; OE106, OE107 access code needed or invalid; OE201 to OE204 discount code of the wrong kind, invalid, used
up, or not for so many seats; OE303 key used for another request.';

REVOKE ALL ON FUNCTION oeventdb.place_order(bigint, jsonb, text, text, text, text, interval) FROM PUBLIC;
