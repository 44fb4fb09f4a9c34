-- The quantities of a discount code agree: 0 <= min_quantity <= max_quantity <= tickets_number.
-- table: discount_codes
SELECT code.id::text AS key
FROM public.discount_codes AS code
WHERE code.min_quantity < 0
    OR code.max_quantity < 0
    OR code.tickets_number < 0
    OR code.min_quantity > code.max_quantity
    OR code.tickets_number < code.max_quantity
