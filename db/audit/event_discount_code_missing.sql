-- The discount code of an event exists.
-- table: events
-- The foreign key sees to that, but for rows written while it was off; the migrations keep those as they are.
SELECT event.id::text AS key
FROM public.events AS event
WHERE
    event.discount_code_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM public.discount_codes AS code WHERE code.id = event.discount_code_id)
