-- Whoever takes an admission locks event and ticket first, as who deletes one of them or moves the ticket does: no two wait for each other.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_ticket(
    ticket_id bigint,
    event_id bigint
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- gone where an old ticket names none that is there
    PERFORM FROM public.events AS e WHERE e.id = lock_ticket.event_id FOR KEY SHARE;
    PERFORM FROM public.tickets AS t WHERE t.id = lock_ticket.ticket_id AND t.event_id = lock_ticket.event_id FOR KEY SHARE;
    IF FOUND THEN
        RETURN;
    ELSIF EXISTS (SELECT FROM public.tickets AS t WHERE t.id = lock_ticket.ticket_id) THEN
        PERFORM oeventdb_internal.refuse_wrong_event('ticket', lock_ticket.ticket_id, lock_ticket.event_id);
    END IF;
    PERFORM oeventdb_internal.refuse_unknown('ticket', lock_ticket.ticket_id);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.lock_ticket(bigint, bigint) IS
'Keeps a ticket in its event, and both from being deleted, to the end of the transaction.
Raises OE105 when it is of another event by then, OE404 when it is gone.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_ticket(bigint, bigint) FROM PUBLIC;
