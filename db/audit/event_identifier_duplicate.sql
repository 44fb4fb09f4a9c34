-- The identifier of an event is its own.
-- table: events
-- The keys are those of all but the oldest event.
SELECT event.id::text AS key
FROM public.events AS event
INNER JOIN (
    SELECT repeated.identifier, min(repeated.id) AS oldest_id
    FROM public.events AS repeated
    WHERE repeated.identifier <> ''
    GROUP BY repeated.identifier
    HAVING count(*) > 1
) AS oldest ON oldest.identifier = event.identifier
WHERE event.id > oldest.oldest_id
