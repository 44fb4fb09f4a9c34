-- The lines of an order are for tickets of its event, and add up to its amount if it was sold by place_order.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_order_lines(
    order_id bigint,
    is_deletion boolean
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = 'force_generic_plan'
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_found record;
    v_is_written boolean := false;
BEGIN
    LOOP
        SELECT
            o.event_id, s.other_ticket_id, o.currency IS NOT NULL AND o.amount IS DISTINCT FROM s.amount AS is_unequal,
            o.xmin <> pg_catalog.pg_current_xact_id()::xid AS is_older
        INTO v_found
        FROM public.orders AS o
        CROSS JOIN LATERAL (
            SELECT
                pg_catalog.min(l.ticket_id) FILTER (WHERE t.event_id <> o.event_id) AS other_ticket_id,
                COALESCE(pg_catalog.sum(l.quantity * (l.price - l.discount)), 0)::double precision AS amount
            FROM public.orders_tickets AS l
            LEFT JOIN public.tickets AS t ON t.id = l.ticket_id
            WHERE l.order_id = o.id
        ) AS s
        -- not there when the order is what is being deleted
        WHERE o.id = require_order_lines.order_id;
        EXIT WHEN v_is_written OR v_found.is_older IS NOT TRUE;
        -- written, not only locked: who moves this order to another event must see the lines, or fail. Not what this transaction has written, as
        -- place_order has; an UPDATE of nothing would cost it more than the look
        UPDATE public.orders AS o SET status = o.status WHERE o.id = require_order_lines.order_id;
        v_is_written := true;
    END LOOP;
    IF v_found.other_ticket_id IS NOT NULL AND NOT require_order_lines.is_deletion THEN
        PERFORM oeventdb_internal.refuse_wrong_event('ticket', v_found.other_ticket_id::bigint, v_found.event_id::bigint);
    ELSIF v_found.is_unequal THEN
        PERFORM oeventdb_internal.refuse_argument('amount', 'is not the sum of the order''s lines');
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_order_lines(bigint, boolean) IS
'Raises OE105 for an order with a ticket of another event, unless lines are being deleted; OE400 for an amount that is not the sum of the lines,
where the order has a currency.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_order_lines(bigint, boolean) FROM PUBLIC;
