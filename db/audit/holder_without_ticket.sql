-- A holder holds a ticket.
-- table: ticket_holders
-- A holder without one holds no admission; the migrations keep it as it is.
SELECT holder.id::text AS key
FROM public.ticket_holders AS holder
WHERE holder.ticket_id IS NULL
