-- A discount code starts to be valid before it ends.
-- table: discount_codes
SELECT code.id::text AS key
FROM public.discount_codes AS code
WHERE code.valid_from >= code.valid_till
