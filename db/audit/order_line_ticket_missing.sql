-- The ticket of an order's line exists.
-- table: orders_tickets
-- Keys: the order and the ticket, as order:ticket.
-- The foreign key sees to that, but for rows written while it was off; the migrations keep those as they are.
SELECT line.order_id::text || ':' || line.ticket_id::text AS key
FROM public.orders_tickets AS line
WHERE NOT EXISTS (SELECT FROM public.tickets AS ticket WHERE ticket.id = line.ticket_id)
