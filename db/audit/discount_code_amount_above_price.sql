-- A discount code takes no larger amount off a ticket than its price.
-- table: discount_codes
-- Keys: the code and the ticket, as code:ticket. A code covers tickets by their column discount_code_id, and in a legacy
-- database by its ticket text: where such a column is missing, its name means the NULL beside the table.
SELECT code.id::text || ':' || ticket.id::text AS key
FROM (
    SELECT link.discount_code_id, link.ticket_id
    FROM (SELECT NULL::bigint AS discount_code_id) AS missing
    CROSS JOIN LATERAL (
        SELECT discount_code_id, id AS ticket_id
        FROM public.tickets
        WHERE discount_code_id IS NOT NULL
    ) AS link
    UNION
    SELECT word.discount_code_id, word.ticket_id
    FROM (
        SELECT
            texts.id AS discount_code_id,
            CASE WHEN part.ticket_text ~ '^[0-9]{1,18}$' THEN part.ticket_text::bigint END AS ticket_id
        FROM (SELECT NULL::text AS tickets) AS missing
        CROSS JOIN LATERAL (
            SELECT id, tickets
            FROM public.discount_codes
            WHERE used_for = 'ticket' AND type = 'amount' AND tickets ~ '[0-9]'
        ) AS texts
        CROSS JOIN LATERAL (
            SELECT btrim(piece.ticket_text, E' \t\n\r\f\x0B') AS ticket_text
            FROM string_to_table(texts.tickets, ',') AS piece (ticket_text)
        ) AS part
    ) AS word
) AS covered
INNER JOIN public.discount_codes AS code ON code.id = covered.discount_code_id AND code.type = 'amount'
INNER JOIN public.tickets AS ticket ON ticket.id = covered.ticket_id AND ticket.event_id = code.event_id
WHERE code.value > coalesce(ticket.price, 0)
