-- A claim on a ticket that its discount code lost can be had once the ticket has no code.
CREATE OR REPLACE FUNCTION oeventdb_internal.restore_link(
    discount_code_id bigint,
    ticket_id text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code record;
    v_ticket record;
BEGIN
    PERFORM oeventdb_internal.require_discount_code(restore_link.discount_code_id);
    SELECT c.event_id::bigint, c.used_for INTO v_code
    FROM public.discount_codes AS c
    WHERE c.id = restore_link.discount_code_id;
    IF v_code.used_for <> 'ticket' THEN
        PERFORM oeventdb_internal.refuse_code_kind(restore_link.discount_code_id);
    END IF;
    -- lock before looking: the ticket must not get another code in between
    SELECT t.id::bigint, t.event_id::bigint, t.discount_code_id INTO v_ticket
    FROM public.tickets AS t
    WHERE t.id = CASE WHEN restore_link.ticket_id ~ '^[0-9]{1,18}$' THEN restore_link.ticket_id::bigint END
        AND t.deleted_at IS NULL
    FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket', restore_link.ticket_id);
    ELSIF v_code.event_id IS NULL OR v_ticket.event_id IS DISTINCT FROM v_code.event_id THEN
        PERFORM oeventdb_internal.refuse_wrong_event('ticket', v_ticket.id, v_code.event_id);
    END IF;
    IF v_ticket.discount_code_id IS NOT NULL THEN
        PERFORM oeventdb_internal.fail(
            'OE400',
            pg_catalog.format('ticket %s has discount code %s, and can have only one', v_ticket.id, v_ticket.discount_code_id),
            pg_catalog.jsonb_build_object(
                'argument', 'journal_id', 'reason', 'ticket has another discount code',
                'ticket_id', v_ticket.id, 'discount_code_id', v_ticket.discount_code_id
            ),
            'Take the ticket off that code with replace_discount_code_tickets first.'
        );
    END IF;
    UPDATE public.tickets AS t SET discount_code_id = restore_link.discount_code_id WHERE t.id = v_ticket.id;
    -- marked as deleted while it was waited for; locked by the trigger now, after the ticket, as everybody locks them
    PERFORM oeventdb_internal.require_discount_code(restore_link.discount_code_id);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.restore_link(bigint, text) IS
'Gives a ticket without discount code the code; the ticket''s id is the word that the old text had.
Errors: OE404 no such code or ticket, OE105 ticket of another event, OE201 code for whole events, OE400 the ticket has another code,
OE205 amount above the price.';

REVOKE ALL ON FUNCTION oeventdb_internal.restore_link(bigint, text) FROM PUBLIC;
