-- A holder of a ticket has an admission, unless the order is cancelled, expired or deleted.
-- table: ticket_holders
-- Tickets without an event have no admissions. The column admission_no comes with the migrations: where it is missing,
-- its name means the 0 beside the table, and nothing is found.
SELECT holder.id::text AS key
FROM (SELECT 0 AS admission_no) AS missing
CROSS JOIN LATERAL (
    SELECT id, ticket_id, order_id
    FROM public.ticket_holders
    WHERE ticket_id IS NOT NULL AND admission_no IS NULL
) AS holder
INNER JOIN public.tickets AS ticket ON ticket.id = holder.ticket_id AND ticket.event_id IS NOT NULL
LEFT JOIN public.orders AS placed ON placed.id = holder.order_id
WHERE coalesce(placed.status, '') NOT IN ('cancelled', 'expired', 'deleted')
