-- A discount code with a limit counts the seats of the live orders that used it, and no more than the limit.
-- table: discount_codes
-- The columns used_number and discount_seats come with the migrations: where they are missing, their names mean the
-- values beside the tables, and nothing is found.
SELECT code.id::text AS key
FROM (SELECT 0 AS used_number) AS missing
CROSS JOIN LATERAL (
    SELECT id, tickets_number, used_number
    FROM public.discount_codes
    WHERE tickets_number >= 0
) AS code
LEFT JOIN (
    SELECT sale.discount_code_id, sum(sale.discount_seats) AS seats
    FROM (SELECT NULL::integer AS discount_seats) AS missing
    CROSS JOIN LATERAL (
        SELECT discount_code_id, discount_seats
        FROM public.orders
        WHERE discount_code_id IS NOT NULL
            AND discount_seats IS NOT NULL
            AND coalesce(status, '') NOT IN ('cancelled', 'expired', 'deleted')
    ) AS sale
    GROUP BY sale.discount_code_id
) AS used ON used.discount_code_id = code.id
WHERE code.used_number <> coalesce(used.seats, 0) OR code.used_number > code.tickets_number
