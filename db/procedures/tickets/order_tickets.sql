-- The tickets that an order has lines for, hidden ones too.
CREATE OR REPLACE FUNCTION oeventdb.order_tickets(
    order_identifier text
) RETURNS SETOF oeventdb.ticket
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_order_id bigint;
BEGIN
    PERFORM oeventdb_internal.require_text('order_identifier', order_tickets.order_identifier);
    SELECT o.id INTO v_order_id FROM public.orders AS o WHERE o.identifier = order_tickets.order_identifier;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('order', order_tickets.order_identifier);
    END IF;
    RETURN QUERY
    SELECT (oeventdb_internal.ticket_row(t.*)).*
    FROM public.orders_tickets AS l
    INNER JOIN public.tickets AS t ON t.id = l.ticket_id
    WHERE l.order_id = v_order_id AND t.deleted_at IS NULL
    ORDER BY t.position, t.id;
END
$function$;

COMMENT ON FUNCTION oeventdb.order_tickets(text) IS
'The tickets of an order''s lines by position and id, hidden ones too; no row for an order without lines.
Errors: OE404 no such order; OE400 order_identifier NULL or blank.';

REVOKE ALL ON FUNCTION oeventdb.order_tickets(text) FROM PUBLIC;
