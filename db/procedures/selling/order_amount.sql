-- Whoever writes what an order costs, or changes its event: it stays one of one event, and its amount the sum of its lines.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_amount() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_holder_id bigint;
BEGIN
    IF TG_OP = 'INSERT' AND EXISTS (SELECT FROM public.orders_tickets AS l WHERE l.order_id = NEW.id) THEN
        -- written in the same statement, as place_order does: their trigger adds them up
        RETURN NULL;
    END IF;
    IF OLD.currency IS NOT NULL AND NEW.currency IS NULL THEN
        -- then its amount would be nobody's concern
        PERFORM oeventdb_internal.refuse_argument('currency', 'is NULL, for an order that was sold in one');
    END IF;
    PERFORM oeventdb_internal.require_order_lines(NEW.id, false);
    IF TG_OP = 'UPDATE' AND NEW.event_id IS DISTINCT FROM OLD.event_id THEN
        SELECT h.id INTO v_holder_id FROM public.ticket_holders AS h
        WHERE h.order_id = NEW.id AND h.ticket_id IS NOT NULL AND h.event_id <> NEW.event_id LIMIT 1;
        IF FOUND THEN
            PERFORM oeventdb_internal.refuse_wrong_event('ticket_holder', v_holder_id, NEW.event_id::bigint);
        END IF;
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_amount() IS
'Trigger of public.orders, after one with a currency is inserted, and after amount, currency or event_id is changed.
Raises OE105 for an order with a holder of another event, OE400 for one that loses its currency, and both as require_order_lines does.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_amount() FROM PUBLIC;
