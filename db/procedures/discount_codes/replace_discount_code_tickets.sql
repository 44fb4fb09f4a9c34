-- The whole set of tickets that a code covers is replaced at once, within the code's own event.
CREATE OR REPLACE FUNCTION oeventdb.replace_discount_code_tickets(
    discount_code_id bigint,
    ticket_ids bigint[]
) RETURNS SETOF oeventdb.ticket
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.discount_codes;
    v_ticket_ids bigint[];
BEGIN
    PERFORM oeventdb_internal.require_discount_code(replace_discount_code_tickets.discount_code_id);
    PERFORM oeventdb_internal.require_ids('ticket_ids', replace_discount_code_tickets.ticket_ids);

    LOOP
        -- the tickets before the code, as who writes one of them locks them: the other way round the two could wait for each other; undone
        -- where the code got another ticket meanwhile
        BEGIN
            v_ticket_ids := oeventdb_internal.lock_code_tickets(
                replace_discount_code_tickets.discount_code_id, replace_discount_code_tickets.ticket_ids
            );
            -- of two replacements the later must replace the whole of the earlier: written, not only locked, so that one whose snapshot is
            -- too old fails
            UPDATE public.discount_codes AS c SET is_active = c.is_active
            WHERE c.id = replace_discount_code_tickets.discount_code_id
            RETURNING c.* INTO v_code;
            EXIT WHEN NOT EXISTS (
                SELECT FROM public.tickets AS t WHERE t.discount_code_id = v_code.id AND t.id <> ALL (v_ticket_ids)
            );
            RAISE EXCEPTION USING ERRCODE = 'OE001';
        EXCEPTION WHEN SQLSTATE 'OE001' THEN
            NULL;
        END;
    END LOOP;
    IF v_code.id IS NULL THEN
        -- deleted while it was waited for
        PERFORM oeventdb_internal.refuse_unknown('discount_code', replace_discount_code_tickets.discount_code_id);
    ELSIF v_code.used_for <> 'ticket' THEN
        PERFORM oeventdb_internal.refuse_code_kind(v_code.id::bigint);
    END IF;
    PERFORM oeventdb_internal.attach_discount_code(
        v_code.id::bigint, v_code.event_id::bigint, replace_discount_code_tickets.ticket_ids
    );
    RETURN QUERY SELECT * FROM oeventdb.discount_code_tickets(v_code.id::bigint);
END
$function$;

COMMENT ON FUNCTION oeventdb.replace_discount_code_tickets(bigint, bigint[]) IS
'Makes ticket_ids the tickets of a code of kind ''ticket'' ({} takes all away; a ticket of another code changes over) and returns them.
Errors: OE404 no such code or ticket; OE400 an argument NULL, ticket_ids with a NULL or nested; OE201 code for whole events; OE105 ticket of
another event; OE205 amount above a ticket''s price.';

REVOKE ALL ON FUNCTION oeventdb.replace_discount_code_tickets(bigint, bigint[]) FROM PUBLIC;
