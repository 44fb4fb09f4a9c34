-- A discount code for a whole event names no tickets.
-- table: discount_codes
-- The last migration drops the column: where it is gone, its name means the NULL beside the table.
SELECT code.id::text AS key
FROM (SELECT NULL::text AS tickets) AS missing
CROSS JOIN LATERAL (
    SELECT id
    FROM public.discount_codes
    WHERE used_for = 'event' AND tickets ~ '[0-9]'
) AS code
