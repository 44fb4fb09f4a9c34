-- An access code with a limit counts the seats of the live orders that used it, and no more than the limit.
-- table: access_codes
-- The columns used_number and access_seats come with the migrations: where they are missing, their names mean the
-- values beside the tables, and nothing is found.
SELECT code.id::text AS key
FROM (SELECT 0 AS used_number) AS missing
CROSS JOIN LATERAL (
    SELECT id, tickets_number, used_number
    FROM public.access_codes
    WHERE tickets_number >= 0
) AS code
LEFT JOIN (
    SELECT sale.access_code_id, sum(sale.access_seats) AS seats
    FROM (SELECT NULL::bigint AS access_code_id, NULL::integer AS access_seats) AS missing
    CROSS JOIN LATERAL (
        SELECT access_code_id, access_seats
        FROM public.orders
        WHERE access_code_id IS NOT NULL
            AND access_seats IS NOT NULL
            AND coalesce(status, '') NOT IN ('cancelled', 'expired', 'deleted')
    ) AS sale
    GROUP BY sale.access_code_id
) AS used ON used.access_code_id = code.id
WHERE code.used_number <> coalesce(used.seats, 0) OR code.used_number > code.tickets_number
