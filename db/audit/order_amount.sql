-- An order's amount is the sum of its lines: quantity times price less discount.
-- table: orders
-- Only the lines of orders that place_order sold have a price. The column comes with the migrations: where it is
-- missing, its name means the NULL beside the table, and nothing is found.
SELECT placed.id::text AS key
FROM (
    SELECT line.order_id, sum(line.quantity * (line.price - line.discount)) AS amount
    FROM (SELECT NULL::numeric AS price, NULL::numeric AS discount) AS missing
    CROSS JOIN LATERAL (
        SELECT order_id, quantity, price, discount
        FROM public.orders_tickets
        WHERE price IS NOT NULL
    ) AS line
    GROUP BY line.order_id
) AS sold
INNER JOIN public.orders AS placed ON placed.id = sold.order_id
-- amount is a double: the sum is rounded as the amount was
WHERE placed.amount IS DISTINCT FROM sold.amount::double precision
