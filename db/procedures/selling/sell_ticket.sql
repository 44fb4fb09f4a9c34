-- Whether a ticket can be sold now, in this number, to this buyer, and at what price.
CREATE OR REPLACE FUNCTION oeventdb_internal.sell_ticket(
    line oeventdb_internal.order_line,
    event_id bigint,
    digits integer,
    access_code_id bigint
) RETURNS oeventdb_internal.order_line
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_line oeventdb_internal.order_line := sell_ticket.line;
    v_ticket public.tickets;
BEGIN
    SELECT t.* INTO v_ticket FROM public.tickets AS t WHERE t.id = v_line.ticket_id AND t.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket', v_line.ticket_id);
    ELSIF v_ticket.event_id IS DISTINCT FROM sell_ticket.event_id THEN
        PERFORM oeventdb_internal.refuse_wrong_event('ticket', v_line.ticket_id, sell_ticket.event_id);
    ELSIF NOT (v_ticket.sales_starts_at <= pg_catalog.now() AND pg_catalog.now() < v_ticket.sales_ends_at) THEN
        PERFORM oeventdb_internal.fail(
            'OE102',
            pg_catalog.format('ticket %s is not on sale now', v_line.ticket_id),
            pg_catalog.jsonb_build_object(
                'ticket_id', v_line.ticket_id,
                'sales_starts_at', v_ticket.sales_starts_at, 'sales_ends_at', v_ticket.sales_ends_at
            ),
            'It is sold from sales_starts_at until just before sales_ends_at.'
        );
    ELSIF v_line.quantity < v_ticket.min_order OR v_line.quantity > v_ticket.max_order THEN
        PERFORM oeventdb_internal.fail(
            'OE103',
            pg_catalog.format('%s seats of ticket %s are too few or too many for one order', v_line.quantity, v_line.ticket_id),
            pg_catalog.jsonb_build_object(
                'ticket_id', v_line.ticket_id, 'quantity', v_line.quantity,
                'min_order', v_ticket.min_order, 'max_order', v_ticket.max_order
            ),
            'Ask for min_order to max_order seats.'
        );
    END IF;

    v_line.is_accessible := false;
    IF sell_ticket.access_code_id IS NOT NULL THEN
        v_line.is_accessible := EXISTS (
            SELECT FROM public.access_codes_tickets AS a
            WHERE a.access_code_id = sell_ticket.access_code_id AND a.ticket_id = v_line.ticket_id
        );
    END IF;
    IF COALESCE(v_ticket.is_hidden, true) AND NOT v_line.is_accessible THEN
        PERFORM oeventdb_internal.fail(
            'OE106',
            pg_catalog.format('ticket %s is sold with an access code only', v_line.ticket_id),
            pg_catalog.jsonb_build_object('ticket_id', v_line.ticket_id),
            'Give an access code that covers the ticket.'
        );
    END IF;

    IF v_ticket.type = 'donation' THEN
        IF v_line.price IS NULL THEN
            PERFORM oeventdb_internal.refuse_argument(
                'lines', pg_catalog.format('names no price for ticket %s, which is a donation', v_line.ticket_id)
            );
        END IF;
    ELSIF v_line.price IS NOT NULL THEN
        PERFORM oeventdb_internal.refuse_argument(
            'lines', pg_catalog.format('names a price for ticket %s, which is no donation', v_line.ticket_id)
        );
    ELSIF v_ticket.type = 'free' THEN
        v_line.price := 0;
    ELSE
        v_line.price := COALESCE(v_ticket.price, 0)::numeric;
    END IF;
    v_line.price := pg_catalog.round(v_line.price, sell_ticket.digits);
    v_line.discount := 0;
    v_line.type := v_ticket.type;
    v_line.discount_code_id := v_ticket.discount_code_id;
    RETURN v_line;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.sell_ticket(oeventdb_internal.order_line, bigint, integer, bigint) IS
'The line with its price per seat, before any discount. Raises OE404, OE105, OE102, OE103, OE106, or OE400 for a price that is missing or not asked.';

REVOKE ALL ON FUNCTION oeventdb_internal.sell_ticket(oeventdb_internal.order_line, bigint, integer, bigint) FROM PUBLIC;
