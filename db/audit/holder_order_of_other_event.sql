-- The order of a holder belongs to the event of its ticket.
-- table: ticket_holders
SELECT holder.id::text AS key
FROM public.ticket_holders AS holder
INNER JOIN public.tickets AS ticket ON ticket.id = holder.ticket_id
INNER JOIN public.orders AS placed ON placed.id = holder.order_id
WHERE placed.event_id <> ticket.event_id
