-- A ticket that an order has a line for stays in the order's event.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_lines() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
BEGIN
    IF EXISTS (
        SELECT FROM public.orders_tickets AS l
        INNER JOIN public.orders AS o ON o.id = l.order_id
        WHERE l.ticket_id = NEW.id AND o.event_id <> NEW.event_id
    ) THEN
        PERFORM oeventdb_internal.refuse_wrong_event('ticket', NEW.id::bigint, NEW.event_id::bigint);
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_lines() IS
'Trigger of public.tickets, after event_id is changed. Raises OE105 for a ticket with a line in an order of another event.';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_lines() FROM PUBLIC;
