-- What is held and what is left of each ticket of an event.
CREATE OR REPLACE FUNCTION oeventdb.ticket_availability(
    event_id bigint
) RETURNS TABLE (ticket_id bigint, name text, quantity integer, held bigint, available bigint)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.require_event(ticket_availability.event_id);
    RETURN QUERY
    SELECT t.id::bigint, t.name::text, t.quantity, h.held, t.quantity - h.held
    FROM public.tickets AS t
    CROSS JOIN LATERAL (
        SELECT pg_catalog.count(*) AS held FROM public.ticket_holders AS s
        WHERE s.ticket_id = t.id AND s.event_id = t.event_id AND s.admission_no IS NOT NULL
    ) AS h
    WHERE t.event_id = ticket_availability.event_id AND t.deleted_at IS NULL
    ORDER BY t.position, t.id;
END
$function$;

COMMENT ON FUNCTION oeventdb.ticket_availability(bigint) IS
'A row for each ticket of the event, hidden ones too, by position and id: quantity and available are NULL for an unlimited ticket; held counts the
admissions that holders have. Errors: OE404 no such event; OE400 event_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.ticket_availability(bigint) FROM PUBLIC;
