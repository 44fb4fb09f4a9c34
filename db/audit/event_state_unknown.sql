-- An event is published or a draft.
-- table: events
-- Anything else, no state included, counts as not published.
SELECT event.id::text AS key
FROM public.events AS event
WHERE event.state IS NULL OR event.state NOT IN ('published', 'draft')
