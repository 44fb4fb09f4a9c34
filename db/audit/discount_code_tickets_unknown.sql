-- Every word in the ticket text of a ticket code is the id of a ticket.
-- table: discount_codes
-- Keys: the code and the word, as code:word, once, however often the text has it; of a long one, as a text with other
-- signs than commas is, the beginning, as much as an index holds. The last migration drops the column: where it is
-- gone, its name means the NULL beside the table.
SELECT DISTINCT word.discount_code_id::text || ':' || left(word.ticket_text, 500) AS key
FROM (
    SELECT
        code.id AS discount_code_id,
        part.ticket_text,
        CASE WHEN part.ticket_text ~ '^[0-9]{1,18}$' THEN part.ticket_text::bigint END AS ticket_id
    FROM (SELECT NULL::text AS tickets) AS missing
    CROSS JOIN LATERAL (
        SELECT id, tickets
        FROM public.discount_codes
        WHERE used_for = 'ticket' AND btrim(tickets, E' \t\n\r\f\x0B') <> ''
    ) AS code
    CROSS JOIN LATERAL (
        SELECT btrim(piece.ticket_text, E' \t\n\r\f\x0B') AS ticket_text
        FROM string_to_table(code.tickets, ',') AS piece (ticket_text)
    ) AS part
    WHERE part.ticket_text <> ''
) AS word
LEFT JOIN public.tickets AS ticket ON ticket.id = word.ticket_id
WHERE ticket.id IS NULL
