-- A holder whose event is not the ticket's gets the ticket's; the journal says which of two faults it was.
-- SQL without SET search_path, so that it is inlined; it names nothing but its argument.
CREATE OR REPLACE FUNCTION oeventdb_internal.event_correction(
    old_event_id bigint
) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $function$
    SELECT CASE WHEN event_correction.old_event_id IS NULL
        THEN 'event missing, filled in from the ticket' ELSE 'event contradicted the ticket, corrected' END
$function$;

COMMENT ON FUNCTION oeventdb_internal.event_correction(bigint) IS
'The journal''s reason for a holder of old_event_id (NULL: of none) that got its ticket''s event instead.';

REVOKE ALL ON FUNCTION oeventdb_internal.event_correction(bigint) FROM PUBLIC;
