-- A code of kind 'ticket' covers exactly these tickets of its event afterwards; one that another code covered changes over to it.
CREATE OR REPLACE FUNCTION oeventdb_internal.attach_discount_code(
    discount_code_id bigint,
    event_id bigint,
    ticket_ids bigint[]
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_wrong record;
BEGIN
    SELECT s.ticket_id, t.id, t.event_id INTO v_wrong
    FROM pg_catalog.unnest(attach_discount_code.ticket_ids) AS s (ticket_id)
    LEFT JOIN public.tickets AS t ON t.id = s.ticket_id AND t.deleted_at IS NULL
    WHERE t.id IS NULL OR t.event_id IS DISTINCT FROM attach_discount_code.event_id
    ORDER BY s.ticket_id LIMIT 1;
    IF FOUND AND v_wrong.id IS NULL THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket', v_wrong.ticket_id);
    ELSIF FOUND THEN
        PERFORM oeventdb_internal.refuse_wrong_event('ticket', v_wrong.ticket_id, attach_discount_code.event_id);
    END IF;

    UPDATE public.tickets AS t SET discount_code_id = NULL
    WHERE t.discount_code_id = attach_discount_code.discount_code_id AND t.id <> ALL (attach_discount_code.ticket_ids);
    UPDATE public.tickets AS t SET discount_code_id = attach_discount_code.discount_code_id
    WHERE t.id = ANY (attach_discount_code.ticket_ids)
        AND t.discount_code_id IS DISTINCT FROM attach_discount_code.discount_code_id;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.attach_discount_code(bigint, bigint, bigint[]) IS
'Replaces the tickets of a code, which the caller has locked (lock_code_tickets).
Raises OE404 no such ticket, OE105 ticket of another event, OE205 amount above a price.';

REVOKE ALL ON FUNCTION oeventdb_internal.attach_discount_code(bigint, bigint, bigint[]) FROM PUBLIC;
