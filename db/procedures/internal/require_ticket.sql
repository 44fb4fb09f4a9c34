-- A function that works on one ticket starts by making sure that the ticket exists.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_ticket(
    ticket_id bigint
) RETURNS bigint
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_event_id bigint;
BEGIN
    IF require_ticket.ticket_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('ticket_id', 'is NULL');
    END IF;

    SELECT t.event_id INTO v_event_id FROM public.tickets AS t WHERE t.id = require_ticket.ticket_id AND t.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket', require_ticket.ticket_id);
    END IF;
    RETURN v_event_id;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_ticket(bigint) IS
'The event of the ticket. Raises OE400 for NULL, OE404 for an unknown or deleted ticket.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_ticket(bigint) FROM PUBLIC;
