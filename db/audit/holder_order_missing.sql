-- The order that a holder names exists.
-- table: ticket_holders
SELECT holder.id::text AS key
FROM public.ticket_holders AS holder
WHERE holder.order_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM public.orders AS placed WHERE placed.id = holder.order_id)
