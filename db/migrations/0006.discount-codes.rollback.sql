-- Takes the links away; the texts of ids, still there, are what they were, but for links made or removed since: those are written into them or journaled.

-- from the beginning: what is written to its columns after they were journaled would go with them
LOCK TABLE public.access_codes IN ACCESS EXCLUSIVE MODE;

DROP TRIGGER discount_code_definition ON public.discount_codes;

DROP TRIGGER ticket_discount ON public.tickets;

DROP PROCEDURE oeventdb_internal.link_ticket_texts();

-- >>> db/procedures/tickets/order_tickets.sql
DROP FUNCTION oeventdb.order_tickets(text);
-- <<<

-- >>> db/procedures/tickets/access_code_tickets.sql
DROP FUNCTION oeventdb.access_code_tickets(bigint);
-- <<<

-- >>> db/procedures/tickets/ticket_tag_tickets.sql
DROP FUNCTION oeventdb.ticket_tag_tickets(bigint);
-- <<<

-- >>> db/procedures/tickets/event_tickets_by_identifier.sql
DROP FUNCTION oeventdb.event_tickets_by_identifier(text);
-- <<<

-- >>> db/procedures/tickets/event_tickets.sql
DROP FUNCTION oeventdb.event_tickets(bigint);
-- <<<

-- >>> db/procedures/discount_codes/delete_discount_code.sql
DROP FUNCTION oeventdb.delete_discount_code(bigint);
-- <<<

-- >>> db/procedures/discount_codes/create_discount_code.sql
DROP FUNCTION oeventdb.create_discount_code( bigint, text, text, numeric, text, bigint[], integer, integer, integer, timestamptz, timestamptz );
-- <<<

-- >>> db/procedures/discount_codes/replace_discount_code_tickets.sql
DROP FUNCTION oeventdb.replace_discount_code_tickets(bigint, bigint[]);
-- <<<

-- >>> db/procedures/discount_codes/discount_code_tickets.sql
DROP FUNCTION oeventdb.discount_code_tickets(bigint);
-- <<<

-- >>> db/procedures/discount_codes/ticket_discount.sql
DROP FUNCTION oeventdb_internal.ticket_discount();
-- <<<

-- >>> db/procedures/discount_codes/discount_code_definition.sql
DROP FUNCTION oeventdb_internal.discount_code_definition();
-- <<<

-- >>> db/procedures/internal/attach_discount_code.sql
DROP FUNCTION oeventdb_internal.attach_discount_code(bigint, bigint, bigint[]);
-- <<<

-- >>> db/procedures/internal/lock_code_tickets.sql
DROP FUNCTION oeventdb_internal.lock_code_tickets(bigint, bigint[]);
-- <<<

-- >>> db/procedures/internal/refuse_definition.sql
DROP FUNCTION oeventdb_internal.refuse_definition(text);
-- <<<

-- >>> db/procedures/internal/refuse_code_kind.sql
DROP FUNCTION oeventdb_internal.refuse_code_kind(bigint);
-- <<<

-- >>> db/procedures/internal/refuse_amount.sql
DROP FUNCTION oeventdb_internal.refuse_amount(bigint, numeric, bigint, numeric);
-- <<<

-- >>> db/procedures/internal/require_discount_code.sql
DROP FUNCTION oeventdb_internal.require_discount_code(bigint);
-- <<<

-- >>> db/procedures/internal/require_ids.sql
DROP FUNCTION oeventdb_internal.require_ids(text, bigint[]);
-- <<<

-- >>> db/procedures/internal/require_choice.sql
DROP FUNCTION oeventdb_internal.require_choice(text, text, text[]);
-- <<<

-- >>> db/procedures/internal/discount_code_row.sql
DROP FUNCTION oeventdb_internal.discount_code_row(public.discount_codes);
-- <<<

-- >>> db/procedures/internal/ticket_row.sql
DROP FUNCTION oeventdb_internal.ticket_row(public.tickets);
-- <<<

DROP TYPE oeventdb.ticket;

DROP TYPE oeventdb.discount_code;

ALTER TABLE public.discount_codes
    DROP CONSTRAINT discount_codes_type,
    DROP CONSTRAINT discount_codes_used_for,
    DROP CONSTRAINT discount_codes_code,
    DROP CONSTRAINT discount_codes_value,
    DROP CONSTRAINT discount_codes_max_quantity,
    DROP CONSTRAINT discount_codes_min_quantity,
    DROP CONSTRAINT discount_codes_tickets_number,
    DROP CONSTRAINT discount_codes_valid_till;

DROP INDEX public.discount_codes_event_code;

-- A code without text covers its tickets only by the links that go now.
UPDATE public.discount_codes AS c SET tickets = n.tickets
FROM (
    SELECT t.discount_code_id, pg_catalog.string_agg(t.id::text, ',' ORDER BY t.id) AS tickets
    FROM public.tickets AS t WHERE t.discount_code_id IS NOT NULL GROUP BY t.discount_code_id
) AS n
WHERE n.discount_code_id = c.id AND c.tickets IS NULL;

-- A ticket that was taken off its code since is not to come back with the text; a text that was written since asks for its tickets anew.
WITH words AS (
    SELECT c.id, p.word, p.place, t.id AS ticket_id
    FROM public.discount_codes AS c
    INNER JOIN oeventdb_internal.linked_texts AS l ON l.discount_code_id = c.id AND l.tickets = c.tickets
    CROSS JOIN LATERAL pg_catalog.string_to_table(c.tickets, ',') WITH ORDINALITY AS p (word, place)
    CROSS JOIN LATERAL pg_catalog.btrim(p.word, E' \t\n\r\f\x0B') AS b (word)
    -- by the id that was linked: else each code would be compared with all tickets of its event
    LEFT JOIN public.tickets AS t
        ON t.id = CASE WHEN b.word ~ '^[0-9]{1,18}$' THEN b.word::bigint END
            AND t.event_id = c.event_id AND t.discount_code_id IS DISTINCT FROM c.id AND NOT EXISTS (
                -- a word that never became a link
                SELECT FROM oeventdb_internal.journal AS j
                WHERE j.migration = '0006.discount-codes' AND j.table_name = 'tickets' AND j.restored_at IS NULL
                    AND j.key = c.id::text || ':' || t.id::text AND j.reason NOT LIKE 'link % since the migration'
            )
    WHERE c.used_for = 'ticket'
), journaled AS (
    INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
    SELECT DISTINCT
        '0006.discount-codes', 'tickets', w.id::text || ':' || w.ticket_id::text,
        pg_catalog.jsonb_build_object('discount_code_id', w.id, 'ticket_id', w.ticket_id), 'link removed since the migration'
    FROM words AS w WHERE w.ticket_id IS NOT NULL
)
UPDATE public.discount_codes AS c SET tickets = n.tickets
FROM (
    SELECT w.id, pg_catalog.string_agg(w.word, ',' ORDER BY w.place) FILTER (WHERE w.ticket_id IS NULL) AS tickets
    FROM words AS w GROUP BY w.id HAVING pg_catalog.count(w.ticket_id) > 0
) AS n
WHERE n.id = c.id;

DROP TABLE oeventdb_internal.linked_texts;

-- A link that the code's text does not name was made since.
INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
SELECT '0006.discount-codes', 'tickets', c.id::text || ':' || t.id::text,
    pg_catalog.jsonb_build_object('discount_code_id', c.id, 'ticket_id', t.id), 'link made since the migration'
FROM (
    SELECT n.discount_code_id, pg_catalog.ltrim(n.id::text, '0') COLLATE "C" AS word
    FROM public.tickets AS n WHERE n.discount_code_id IS NOT NULL
    EXCEPT
    SELECT w.id, w.word COLLATE "C"
    FROM (
        SELECT d.id, pg_catalog.ltrim(pg_catalog.btrim(p.word, E' \t\n\r\f\x0B'), '0') AS word
        FROM public.discount_codes AS d
        CROSS JOIN LATERAL pg_catalog.string_to_table(d.tickets, ',') AS p (word)
    ) AS w
) AS r
INNER JOIN public.tickets AS t ON t.discount_code_id = r.discount_code_id AND pg_catalog.ltrim(t.id::text, '0') = r.word
INNER JOIN public.discount_codes AS c ON c.id = t.discount_code_id;

-- The claims that the texts make again, those that were had since, too: else they would not be journaled the next time.
DELETE FROM oeventdb_internal.journal AS j
WHERE j.migration = '0006.discount-codes' AND j.table_name = 'tickets' AND j.reason NOT LIKE 'link % since the migration'
    AND NOT j.old_row ? 'statement';

-- What was deleted since is told apart no longer once the columns are gone.
INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
SELECT '0006.discount-codes', 'discount_codes', c.id::text, pg_catalog.to_jsonb(c.*), 'discount code deleted since the migration'
FROM public.discount_codes AS c WHERE c.deleted_at IS NOT NULL
UNION ALL
SELECT '0006.discount-codes', 'access_codes', c.id::text, pg_catalog.to_jsonb(c.*), 'access code deleted since the migration'
FROM public.access_codes AS c WHERE c.deleted_at IS NOT NULL;

ALTER TABLE public.tickets
    DROP CONSTRAINT tickets_discount_code,
    DROP CONSTRAINT tickets_discount_code_event,
    DROP CONSTRAINT tickets_discount_code_kind,
    DROP COLUMN discount_code_id,
    DROP COLUMN discount_code_used_for;

ALTER TABLE public.events
    DROP CONSTRAINT events_discount_code,
    ADD CONSTRAINT events_discount_code_id_fkey
        FOREIGN KEY (discount_code_id) REFERENCES public.discount_codes ON DELETE CASCADE NOT VALID;

SELECT oeventdb_internal.validate_reference('public.events', 'events_discount_code_id_fkey');

SELECT oeventdb_internal.restore_column('0006.discount-codes');

DROP INDEX public.discount_codes_kind;

DROP INDEX public.orders_tickets_ticket_id;

DROP INDEX public.association_ticket_tag;

DROP INDEX public.events_identifier;

DROP INDEX public.events_discount_code;

ALTER TABLE public.discount_codes DROP COLUMN deleted_at, DROP COLUMN is_duplicate, DROP COLUMN is_legacy;

ALTER TABLE public.access_codes DROP COLUMN deleted_at;
