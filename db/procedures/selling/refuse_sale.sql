-- What keeps a ticket from being sold is said with the figures that the buyer's side needs.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_sale(
    code text,
    line oeventdb_internal.order_line,
    event_id bigint
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_ticket public.tickets;
    v_id CONSTANT bigint := (refuse_sale.line).ticket_id;
BEGIN
    SELECT t.* INTO v_ticket FROM public.tickets AS t WHERE t.id = v_id;
    CASE refuse_sale.code
        WHEN 'OE105' THEN
            PERFORM oeventdb_internal.refuse_wrong_event('ticket', v_id, refuse_sale.event_id);
        WHEN 'OE102' THEN
            IF pg_catalog.now() >= v_ticket.sales_starts_at AND pg_catalog.now() < v_ticket.sales_ends_at THEN
                PERFORM oeventdb_internal.fail(
                    'OE102',
                    pg_catalog.format('ticket %s cannot be sold at a price of %s', v_id, v_ticket.price),
                    pg_catalog.jsonb_build_object('ticket_id', v_id, 'price', v_ticket.price::text),
                    'Give the ticket a price of 0 or more.'
                );
            END IF;
            PERFORM oeventdb_internal.fail(
                'OE102',
                pg_catalog.format('ticket %s is not on sale now', v_id),
                pg_catalog.jsonb_build_object(
                    'ticket_id', v_id, 'sales_starts_at', v_ticket.sales_starts_at, 'sales_ends_at', v_ticket.sales_ends_at
                ),
                'It is sold from sales_starts_at until just before sales_ends_at.'
            );
        WHEN 'OE103' THEN
            PERFORM oeventdb_internal.fail(
                'OE103',
                pg_catalog.format('%s seats of ticket %s are too few or too many for one order', (refuse_sale.line).quantity, v_id),
                pg_catalog.jsonb_build_object(
                    'ticket_id', v_id, 'quantity', (refuse_sale.line).quantity,
                    'min_order', v_ticket.min_order, 'max_order', v_ticket.max_order
                ),
                'Ask for min_order to max_order seats.'
            );
        WHEN 'OE106' THEN
            PERFORM oeventdb_internal.fail(
                'OE106',
                pg_catalog.format('ticket %s is sold with an access code only', v_id),
                pg_catalog.jsonb_build_object('ticket_id', v_id),
                'Give an access code that covers the ticket.'
            );
        WHEN 'OE400' THEN
            PERFORM oeventdb_internal.refuse_argument('lines', CASE
                WHEN v_ticket.type = 'donation' THEN pg_catalog.format('names no price for ticket %s, which is a donation', v_id)
                ELSE pg_catalog.format('names a price for ticket %s, which is no donation', v_id)
            END);
    END CASE;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_sale(text, oeventdb_internal.order_line, bigint) IS
'Raises the error of that code for a line that sell_ticket refuses: OE105, OE102, OE103, OE106, or OE400 for a price that is missing or not asked.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_sale(text, oeventdb_internal.order_line, bigint) FROM PUBLIC;
