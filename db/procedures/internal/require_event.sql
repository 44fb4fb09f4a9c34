-- A function that works on one event starts by making sure that the event exists.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_event(
    event_id bigint
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_event.event_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('event_id', 'is NULL');
    END IF;

    PERFORM FROM public.events AS t WHERE t.id = require_event.event_id AND t.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('event', require_event.event_id);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_event(bigint) IS
'Raises OE400 for NULL, OE404 for an unknown or deleted event.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_event(bigint) FROM PUBLIC;
