-- One more person is admitted, if the ticket has an admission left.
CREATE OR REPLACE FUNCTION oeventdb.add_ticket_holder(
    ticket_id bigint,
    firstname text,
    lastname text,
    email text DEFAULT NULL
) RETURNS SETOF oeventdb.ticket_holder
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_event_id bigint;
BEGIN
    PERFORM oeventdb_internal.require_text('firstname', add_ticket_holder.firstname);
    PERFORM oeventdb_internal.require_text('lastname', add_ticket_holder.lastname);
    v_event_id := oeventdb_internal.require_ticket(add_ticket_holder.ticket_id);

    RETURN QUERY
    INSERT INTO public.ticket_holders AS h (ticket_id, event_id, firstname, lastname, email, is_checked_in)
    VALUES (
        add_ticket_holder.ticket_id, v_event_id, add_ticket_holder.firstname, add_ticket_holder.lastname,
        add_ticket_holder.email, false
    )
    RETURNING (oeventdb_internal.ticket_holder_row(h.*)).*;
END
$function$;

COMMENT ON FUNCTION oeventdb.add_ticket_holder(bigint, text, text, text) IS
'Adds a holder to a ticket, outside any order, and returns it with its admission_no (1..quantity).
Errors: OE404 no such ticket; OE400 ticket_id NULL, firstname or lastname NULL or blank; OE101 sold out;
OE105 the ticket goes to another event at this moment.';

REVOKE ALL ON FUNCTION oeventdb.add_ticket_holder(bigint, text, text, text) FROM PUBLIC;
