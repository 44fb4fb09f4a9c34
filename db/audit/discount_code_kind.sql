-- A discount code is used for tickets or for an event, and takes off an amount or a percentage.
-- table: discount_codes
SELECT code.id::text AS key
FROM public.discount_codes AS code
WHERE code.used_for NOT IN ('event', 'ticket') OR code.type NOT IN ('amount', 'percent')
