-- A holder knows the event of its ticket.
-- table: ticket_holders
SELECT holder.id::text AS key
FROM public.ticket_holders AS holder
INNER JOIN public.tickets AS ticket ON ticket.id = holder.ticket_id
WHERE holder.event_id IS NULL AND ticket.event_id IS NOT NULL
