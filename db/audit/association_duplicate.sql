-- A ticket has a tag once.
-- table: association
-- Keys: the ticket and the tag, as ticket:tag, once for each pair that is there more than once.
SELECT link.ticket_id::text || ':' || link.ticket_tag_id::text AS key
FROM public.association AS link
WHERE link.ticket_id IS NOT NULL AND link.ticket_tag_id IS NOT NULL
GROUP BY link.ticket_id, link.ticket_tag_id
HAVING count(*) > 1
