-- A paid order is complete; one that has expired meanwhile too, if its admissions can still be had.
CREATE OR REPLACE FUNCTION oeventdb.complete_order(
    order_identifier text,
    payment_reference text DEFAULT NULL
) RETURNS SETOF oeventdb."order"
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_order public.orders := oeventdb_internal.lock_order(complete_order.order_identifier);
BEGIN
    IF v_order.status IN ('completed', 'cancelled', 'deleted') THEN
        PERFORM oeventdb_internal.refuse_order_state(complete_order.order_identifier, v_order.status);
    END IF;

    IF v_order.status = 'expired' THEN
        -- the holders of an order that expired may have been deleted since: whoever pays gets as many seats as were sold, or is refused
        INSERT INTO public.ticket_holders (order_id, ticket_id, firstname, lastname, email, is_checked_in)
        SELECT v_order.id, l.ticket_id, '', '', v_order.email, false
        FROM public.orders_tickets AS l
        CROSS JOIN LATERAL pg_catalog.generate_series(1, l.quantity - (
            SELECT pg_catalog.count(*) FROM public.ticket_holders AS h WHERE h.order_id = v_order.id AND h.ticket_id = l.ticket_id
        ))
        WHERE l.order_id = v_order.id AND l.price IS NOT NULL
        ORDER BY l.ticket_id
        -- not for seats that were given another ticket
        LIMIT GREATEST(
            (SELECT pg_catalog.sum(l.quantity) FROM public.orders_tickets AS l WHERE l.order_id = v_order.id AND l.price IS NOT NULL)
            - (SELECT pg_catalog.count(*) FROM public.ticket_holders AS h WHERE h.order_id = v_order.id), 0
        );
    END IF;

    BEGIN
        UPDATE public.orders AS o SET
            status = 'completed', completed_at = pg_catalog.now(),
            transaction_id = COALESCE(complete_order.payment_reference, o.transaction_id)
        WHERE o.id = v_order.id
        RETURNING o.* INTO v_order;
    EXCEPTION WHEN SQLSTATE 'OE101' OR SQLSTATE 'OE107' OR SQLSTATE 'OE203' OR SQLSTATE 'OE204' THEN
        PERFORM oeventdb_internal.fail(
            'OE302',
            pg_catalog.format('order %s expired, and what it held is sold', complete_order.order_identifier),
            pg_catalog.jsonb_build_object(
                'order', complete_order.order_identifier, 'expires_at', v_order.expires_at, 'refused', SQLSTATE
            ),
            'Give the payment back, or place a new order for what is left.'
        );
    END;
    RETURN QUERY SELECT (oeventdb_internal.order_row(v_order)).*;
END
$function$;

COMMENT ON FUNCTION oeventdb.complete_order(text, text) IS
'Marks an order as paid and returns it; payment_reference is kept with it. An expired order gets its admissions and code uses again, if they are
still to be had. Errors: OE404 no such order; OE400 order_identifier NULL or blank; OE301 completed, cancelled or deleted before; OE302 expired and
what it held is sold.';

REVOKE ALL ON FUNCTION oeventdb.complete_order(text, text) FROM PUBLIC;
