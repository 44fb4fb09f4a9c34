-- The tickets of the event with this identifier; where old events share one, the first of them.
CREATE OR REPLACE FUNCTION oeventdb.event_tickets_by_identifier(
    event_identifier text
) RETURNS SETOF oeventdb.ticket
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_event_id bigint;
BEGIN
    PERFORM oeventdb_internal.require_text('event_identifier', event_tickets_by_identifier.event_identifier);
    SELECT e.id INTO v_event_id FROM public.events AS e
    WHERE e.identifier = event_tickets_by_identifier.event_identifier AND e.deleted_at IS NULL
    ORDER BY e.id LIMIT 1;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('event', event_tickets_by_identifier.event_identifier);
    END IF;
    RETURN QUERY SELECT * FROM oeventdb.event_tickets(v_event_id);
END
$function$;

COMMENT ON FUNCTION oeventdb.event_tickets_by_identifier(text) IS
'The tickets of the event with this identifier by position and id, hidden ones too; of several such events (identifiers of old events are
not unique) the one with the lowest id. Errors: OE404 no such event; OE400 event_identifier NULL or blank.';

REVOKE ALL ON FUNCTION oeventdb.event_tickets_by_identifier(text) FROM PUBLIC;
