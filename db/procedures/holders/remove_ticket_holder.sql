-- A person is admitted no more, and the admission is free at once.
CREATE OR REPLACE FUNCTION oeventdb.remove_ticket_holder(
    ticket_holder_id bigint
) RETURNS SETOF oeventdb.ticket_holder
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
BEGIN
    IF remove_ticket_holder.ticket_holder_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('ticket_holder_id', 'is NULL');
    END IF;

    RETURN QUERY
    DELETE FROM public.ticket_holders AS h WHERE h.id = remove_ticket_holder.ticket_holder_id
    RETURNING (oeventdb_internal.ticket_holder_row(h.*)).*;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket_holder', remove_ticket_holder.ticket_holder_id);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb.remove_ticket_holder(bigint) IS
'Deletes a holder and returns it as it was; its admission can be sold again as soon as the transaction commits.
Errors: OE404 no such holder; OE400 ticket_holder_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.remove_ticket_holder(bigint) FROM PUBLIC;
