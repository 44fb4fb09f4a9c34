-- The tickets of an event, hidden ones too.
CREATE OR REPLACE FUNCTION oeventdb.event_tickets(
    event_id bigint
) RETURNS SETOF oeventdb.ticket
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.require_event(event_tickets.event_id);
    RETURN QUERY
    SELECT (oeventdb_internal.ticket_row(t.*)).*
    FROM public.tickets AS t
    WHERE t.event_id = event_tickets.event_id AND t.deleted_at IS NULL
    ORDER BY t.position, t.id;
END
$function$;

COMMENT ON FUNCTION oeventdb.event_tickets(bigint) IS
'The tickets of an event by position and id, hidden ones too; no row for an event without tickets.
Errors: OE404 no such event; OE400 event_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.event_tickets(bigint) FROM PUBLIC;
