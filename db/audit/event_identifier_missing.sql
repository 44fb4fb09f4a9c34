-- An event has an identifier.
-- table: events
SELECT event.id::text AS key
FROM public.events AS event
WHERE event.identifier IS NULL OR event.identifier = ''
