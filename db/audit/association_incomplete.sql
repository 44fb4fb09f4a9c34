-- A tag link names a ticket and a tag.
-- table: association
-- Keys: the ticket and the tag, as ticket:tag, with a dash for what is missing.
SELECT coalesce(link.ticket_id::text, '-') || ':' || coalesce(link.ticket_tag_id::text, '-') AS key
FROM public.association AS link
WHERE link.ticket_id IS NULL OR link.ticket_tag_id IS NULL
