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
    v_sale record;
    v_is_accessible boolean := false;
BEGIN
    IF sell_ticket.access_code_id IS NOT NULL THEN
        v_is_accessible := EXISTS (
            SELECT FROM public.access_codes_tickets AS a
            WHERE a.access_code_id = sell_ticket.access_code_id AND a.ticket_id = (sell_ticket.line).ticket_id
        );
    END IF;
    SELECT
        CASE
            WHEN t.event_id IS DISTINCT FROM sell_ticket.event_id THEN 'OE105'
            WHEN NOT (t.sales_starts_at <= pg_catalog.now() AND pg_catalog.now() < t.sales_ends_at) THEN 'OE102'
            -- old tickets may cost less than nothing, or NaN, which is greater than any number
            WHEN t.type NOT IN ('free', 'donation') AND NOT (t.price >= 0 AND t.price < 'Infinity') THEN 'OE102'
            WHEN (sell_ticket.line).quantity < t.min_order OR (sell_ticket.line).quantity > t.max_order THEN 'OE103'
            WHEN COALESCE(t.is_hidden, true) AND NOT v_is_accessible THEN 'OE106'
            WHEN (t.type = 'donation') = ((sell_ticket.line).price IS NULL) THEN 'OE400'
        END AS refusal,
        CASE t.type
            WHEN 'donation' THEN (sell_ticket.line).price
            WHEN 'free' THEN 0
            ELSE COALESCE(t.price, 0)::numeric
        END AS price,
        t.type, t.discount_code_id
    INTO v_sale
    FROM public.tickets AS t WHERE t.id = (sell_ticket.line).ticket_id AND t.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket', (sell_ticket.line).ticket_id);
    ELSIF v_sale.refusal IS NOT NULL THEN
        PERFORM oeventdb_internal.refuse_sale(v_sale.refusal, sell_ticket.line, sell_ticket.event_id);
    END IF;
    RETURN ROW(
        (sell_ticket.line).ticket_id, (sell_ticket.line).quantity, pg_catalog.round(v_sale.price, sell_ticket.digits),
        (sell_ticket.line).holders, v_sale.type, 0, v_sale.discount_code_id, v_is_accessible, NULL
    )::oeventdb_internal.order_line;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.sell_ticket(oeventdb_internal.order_line, bigint, integer, bigint) IS
'The line with its price per seat, before any discount. Raises OE404, OE105, OE102, OE103, OE106, or OE400 for a price that is missing or not asked.';

REVOKE ALL ON FUNCTION oeventdb_internal.sell_ticket(oeventdb_internal.order_line, bigint, integer, bigint) FROM PUBLIC;
