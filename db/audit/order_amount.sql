-- An order's amount is the sum of its lines: quantity times price less discount.
-- table: orders
-- Only the orders that place_order sold have a currency, and their lines prices. The columns come with the migrations: where
-- they are missing, their names mean the NULLs beside the tables, and nothing is found.
SELECT placed.id::text AS key
FROM (SELECT NULL::varchar AS currency) AS missing
CROSS JOIN LATERAL (SELECT id, amount FROM public.orders WHERE currency IS NOT NULL) AS placed
LEFT JOIN (
    SELECT line.order_id, sum(line.quantity * (line.price - line.discount)) AS amount
    FROM (SELECT NULL::numeric AS price, NULL::numeric AS discount) AS missing
    CROSS JOIN LATERAL (SELECT order_id, quantity, price, discount FROM public.orders_tickets) AS line
    GROUP BY line.order_id
) AS sold ON sold.order_id = placed.id
-- amount is a double: the sum is rounded as the amount was
WHERE placed.amount IS DISTINCT FROM coalesce(sold.amount, 0)::double precision
