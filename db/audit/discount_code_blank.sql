-- A discount code has a text to type in.
-- table: discount_codes
SELECT code.id::text AS key
FROM public.discount_codes AS code
WHERE btrim(code.code, E' \t\n\r\f\x0B') = ''
