-- The ticket text of a ticket code names tickets of the code's own event.
-- table: discount_codes
-- Keys: the code and the ticket, as code:ticket. The last migration drops the column: where it is gone, its name
-- means the NULL beside the table.
SELECT DISTINCT word.discount_code_id::text || ':' || ticket.id::text AS key
FROM (
    SELECT
        code.id AS discount_code_id,
        code.event_id,
        CASE WHEN part.ticket_text ~ '^[0-9]{1,18}$' THEN part.ticket_text::bigint END AS ticket_id
    FROM (SELECT NULL::text AS tickets) AS missing
    CROSS JOIN LATERAL (
        SELECT id, event_id, tickets
        FROM public.discount_codes
        WHERE used_for = 'ticket' AND tickets ~ '[0-9]'
    ) AS code
    CROSS JOIN LATERAL (
        SELECT btrim(piece.ticket_text, E' \t\n\r\f\x0B') AS ticket_text
        FROM string_to_table(code.tickets, ',') AS piece (ticket_text)
    ) AS part
) AS word
INNER JOIN public.tickets AS ticket ON ticket.id = word.ticket_id
WHERE word.event_id IS NULL OR ticket.event_id IS NULL OR word.event_id <> ticket.event_id
