-- The ticket of a holder exists.
-- table: ticket_holders
-- The foreign key sees to that, but for rows written while it was off; the migrations keep those as they are.
SELECT holder.id::text AS key
FROM public.ticket_holders AS holder
WHERE
    holder.ticket_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM public.tickets AS ticket WHERE ticket.id = holder.ticket_id)
