-- A percentage lies within 0 and 100, an amount is a finite number of at least 0.
-- table: discount_codes
-- In PostgreSQL NaN is greater than every number, Infinity included.
SELECT code.id::text AS key
FROM public.discount_codes AS code
WHERE code.value < 0
    OR code.value::float8 >= 'Infinity'::float8
    OR (code.type = 'percent' AND code.value > 100)
