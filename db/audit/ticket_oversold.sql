-- A ticket has no more holders than its quantity.
-- table: ticket_holders
-- A ticket without event has no admissions, and its holders are left alone. The keys are those of the holders beyond
-- the quantity: holders of live orders come first, then those of dead ones, each by id. Only the tickets with too many
-- holders are ranked. The column admission_no comes with the migrations and is empty for a holder who holds no
-- admission; where it is missing, its name means the 0 beside the table.
SELECT ranked.id::text AS key
FROM (
    SELECT
        holder.id,
        oversold.quantity,
        row_number() OVER (
            PARTITION BY holder.ticket_id
            ORDER BY
                CASE coalesce(placed.status, 'initialized')
                    WHEN 'completed' THEN 1
                    WHEN 'placed' THEN 2
                    WHEN 'confirmed' THEN 3
                    WHEN 'pending' THEN 4
                    WHEN 'cancelled' THEN 6
                    WHEN 'expired' THEN 7
                    WHEN 'deleted' THEN 8
                    ELSE 5
                END,
                holder.id
        ) AS place
    FROM (
        SELECT ticket.id, ticket.quantity
        FROM (
            SELECT held.ticket_id, count(*) AS holders
            FROM (SELECT 0 AS admission_no) AS missing
            CROSS JOIN LATERAL (
                SELECT ticket_id
                FROM public.ticket_holders
                WHERE ticket_id IS NOT NULL AND admission_no IS NOT NULL
            ) AS held
            GROUP BY held.ticket_id
        ) AS counted
        INNER JOIN public.tickets AS ticket ON ticket.id = counted.ticket_id AND ticket.quantity < counted.holders
        WHERE ticket.event_id IS NOT NULL
    ) AS oversold
    CROSS JOIN (SELECT 0 AS admission_no) AS missing
    CROSS JOIN LATERAL (
        SELECT id, ticket_id, order_id
        FROM public.ticket_holders
        WHERE ticket_id = oversold.id AND admission_no IS NOT NULL
    ) AS holder
    LEFT JOIN public.orders AS placed ON placed.id = holder.order_id
) AS ranked
WHERE ranked.place > greatest(ranked.quantity, 0)
