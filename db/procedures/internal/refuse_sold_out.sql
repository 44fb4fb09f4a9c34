-- A ticket without enough free admissions is refused in one wording, with how many are left.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_sold_out(
    ticket_id bigint,
    requested integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- of what is free, others may have so much in hand that the rest is too few
    v_available bigint := LEAST(oeventdb_internal.count_free_admissions(refuse_sold_out.ticket_id), refuse_sold_out.requested - 1);
BEGIN
    IF NOT EXISTS (SELECT FROM public.tickets AS t WHERE t.id = refuse_sold_out.ticket_id) THEN
        -- deleted while its admissions were waited for
        PERFORM oeventdb_internal.refuse_unknown('ticket', refuse_sold_out.ticket_id);
    END IF;
    PERFORM oeventdb_internal.fail(
        'OE101',
        pg_catalog.format(
            'ticket %s has %s admissions left, %s requested', refuse_sold_out.ticket_id, v_available, refuse_sold_out.requested
        ),
        pg_catalog.jsonb_build_object(
            'ticket_id', refuse_sold_out.ticket_id, 'requested', refuse_sold_out.requested, 'available', v_available
        ),
        'Ask for fewer, raise the quantity of the ticket, or try again later: cancelled and expired orders free their admissions.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_sold_out(bigint, integer) IS
'Raises OE101 (sold_out) with ticket_id, requested and available; OE404 for a ticket that is gone.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_sold_out(bigint, integer) FROM PUBLIC;
