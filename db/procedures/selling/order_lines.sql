-- Whoever writes or deletes a line, or truncates them all: the order stays one of one event, and its amount the sum of its lines.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_lines() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM oeventdb_internal.require_read_committed('orders_tickets is truncated', 'DELETE');
        PERFORM oeventdb_internal.require_order_lines(
            (SELECT o.id FROM public.orders AS o WHERE o.currency IS NOT NULL AND o.amount <> 0 LIMIT 1), true
        );
        RETURN NULL;
    END IF;
    -- the one with the lower id first: two who exchange lines between two orders would wait for each other
    PERFORM oeventdb_internal.require_order_lines(LEAST(NEW.order_id, OLD.order_id), TG_OP = 'DELETE');
    IF TG_OP = 'UPDATE' AND NEW.order_id <> OLD.order_id THEN
        PERFORM oeventdb_internal.require_order_lines(GREATEST(NEW.order_id, OLD.order_id), false);
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_lines() IS
'Trigger of public.orders_tickets, after a line is written or deleted, and after all are truncated (0A000 under REPEATABLE READ and
SERIALIZABLE). Raises OE105 and OE400 as require_order_lines does.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_lines() FROM PUBLIC;
