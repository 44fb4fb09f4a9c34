-- An order that is cancelled, expired or deleted holds no admission.
-- table: ticket_holders
-- The column admission_no comes with the migrations: where it is missing, its name means the NULL beside the table,
-- and nothing is found.
SELECT holder.id::text AS key
FROM (SELECT NULL::integer AS admission_no) AS missing
CROSS JOIN LATERAL (
    SELECT id, order_id
    FROM public.ticket_holders
    WHERE order_id IS NOT NULL AND admission_no IS NOT NULL
) AS holder
INNER JOIN public.orders AS placed ON placed.id = holder.order_id
WHERE placed.status IN ('cancelled', 'expired', 'deleted')
