-- What the API shows of a ticket, from the table's row; a ticket of which nobody said so is hidden.
-- SQL without SET search_path, so that it is inlined; it names nothing but its argument.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_row(
    ticket public.tickets
) RETURNS oeventdb.ticket
LANGUAGE sql
STABLE
AS $function$
    SELECT ROW(
        ticket.id, ticket.event_id, ticket.name, ticket.description, ticket.type, ticket.quantity, ticket.price::numeric,
        ticket.position, ticket.min_order, ticket.max_order, ticket.sales_starts_at, ticket.sales_ends_at,
        COALESCE(ticket.is_hidden, true), ticket.discount_code_id
    )::oeventdb.ticket
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_row(public.tickets) IS
'The API''s row of a ticket.';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_row(public.tickets) FROM PUBLIC;
