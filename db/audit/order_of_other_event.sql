-- An order belongs to the event of each of its tickets.
-- table: orders_tickets
-- Keys: the order and the ticket, as order:ticket.
SELECT line.order_id::text || ':' || line.ticket_id::text AS key
FROM public.orders_tickets AS line
INNER JOIN public.orders AS placed ON placed.id = line.order_id
INNER JOIN public.tickets AS ticket ON ticket.id = line.ticket_id
WHERE placed.event_id <> ticket.event_id
