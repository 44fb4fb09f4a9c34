-- Whoever takes an admission locks its ticket first, as who moves or deletes the ticket does: the other way round the two would wait for each other.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_ticket(
    ticket_id bigint,
    event_id bigint
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
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
'Keeps a ticket in its event, and from being deleted, to the end of the transaction. Raises OE105 when it is of another event by then, OE404 when it is gone.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_ticket(bigint, bigint) FROM PUBLIC;
