-- Gives the codes their texts of ticket ids back, letter for letter.

-- what the migration has journaled may not have been analyzed yet, and would be looked for row by row
ANALYZE oeventdb_internal.journal;

ALTER TABLE public.discount_codes ADD COLUMN tickets varchar;

-- Old codes may break constraints that are not validated, which are not asked about this column.
DO $$
DECLARE
    v_names text[];
    v_definitions text[];
    v_comments text[];
    v_name text;
BEGIN
    SELECT
        COALESCE(pg_catalog.array_agg(c.conname), '{}'), pg_catalog.array_agg(pg_catalog.pg_get_constraintdef(c.oid)),
        pg_catalog.array_agg(pg_catalog.obj_description(c.oid, 'pg_constraint'))
    INTO v_names, v_definitions, v_comments
    FROM pg_catalog.pg_constraint AS c
    WHERE c.conrelid = 'public.discount_codes'::regclass AND c.contype = 'c' AND NOT c.convalidated;
    FOREACH v_name IN ARRAY v_names LOOP
        EXECUTE pg_catalog.format('ALTER TABLE public.discount_codes DROP CONSTRAINT %I', v_name);
    END LOOP;
    WITH restored AS (
        UPDATE public.discount_codes AS c SET tickets = j.old_row ->> 'tickets'
        FROM oeventdb_internal.journal AS j
        WHERE j.migration = '0010.drop-discount-code-tickets' AND j.key = c.id::text AND j.old_row ? 'tickets'
        RETURNING j.id
    )
    DELETE FROM oeventdb_internal.journal AS j USING restored AS r WHERE j.id = r.id;
    -- A ticket that was taken off its code since is not to come back with the text.
    WITH words AS (
        SELECT c.id, p.word, p.place, t.id AS ticket_id
        FROM public.discount_codes AS c
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
            '0010.drop-discount-code-tickets', 'tickets', w.id::text || ':' || w.ticket_id::text,
            pg_catalog.jsonb_build_object('discount_code_id', w.id, 'ticket_id', w.ticket_id), 'link removed since the migration'
        FROM words AS w WHERE w.ticket_id IS NOT NULL
    )
    UPDATE public.discount_codes AS c SET tickets = n.tickets
    FROM (
        SELECT w.id, pg_catalog.string_agg(w.word, ',' ORDER BY w.place) FILTER (WHERE w.ticket_id IS NULL) AS tickets
        FROM words AS w GROUP BY w.id HAVING pg_catalog.count(w.ticket_id) > 0
    ) AS n
    WHERE n.id = c.id;
    FOR v_place IN 1 .. pg_catalog.cardinality(v_names) LOOP
        EXECUTE pg_catalog.format(
            'ALTER TABLE public.discount_codes ADD CONSTRAINT %I %s', v_names[v_place], v_definitions[v_place]
        );
        EXECUTE pg_catalog.format(
            'COMMENT ON CONSTRAINT %I ON public.discount_codes IS %L', v_names[v_place], v_comments[v_place]
        );
    END LOOP;
END
$$;

SELECT oeventdb_internal.restore_column('0010.drop-discount-code-tickets');

CREATE TABLE oeventdb_internal.linked_texts (
    discount_code_id bigint PRIMARY KEY,
    tickets text NOT NULL
);

INSERT INTO oeventdb_internal.linked_texts (discount_code_id, tickets)
SELECT c.id, CASE c.used_for WHEN 'ticket' THEN COALESCE(c.tickets, '') ELSE '' END
FROM public.discount_codes AS c;

CREATE OR REPLACE PROCEDURE oeventdb_internal.link_ticket_texts()
LANGUAGE plpgsql
AS $procedure$
DECLARE
    v_task CONSTANT text := '0006.discount-codes: tickets';
    v_from bigint;
    v_to bigint;
    v_failures integer := 0;
BEGIN
    SET LOCAL search_path = pg_catalog, pg_temp;
    INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
    SELECT '0006.discount-codes', 'tickets', n.key, n.old_row, n.reason
    FROM (
        SELECT v.key, v.reason, pg_catalog.jsonb_build_object(
            'discount_code_id', pg_catalog.split_part(v.key, ':', 1)::bigint,
            'ticket_id', pg_catalog.substr(v.key, pg_catalog.strpos(v.key, ':') + 1)
        ) AS old_row
        FROM (
            SELECT w.key, 'claim lost to a lower code' AS reason FROM (
-- >>> db/audit/discount_code_tickets_claimed_twice.sql
-- A ticket has at most one discount code; where ticket texts claim it twice, the lowest code wins.
-- table: discount_codes
-- Keys: the losing code and the ticket, as code:ticket. The last migration drops the column: where it is gone, its
-- name means the NULL beside the table.
SELECT claim.discount_code_id::text || ':' || claim.ticket_id::text AS key
FROM (
    SELECT
        word.discount_code_id,
        word.ticket_id,
        row_number() OVER (PARTITION BY word.ticket_id ORDER BY word.discount_code_id) AS place
    FROM (
        SELECT DISTINCT
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
    INNER JOIN public.tickets AS ticket ON ticket.id = word.ticket_id AND ticket.event_id = word.event_id
) AS claim
WHERE claim.place > 1
-- <<<
            ) AS w
            UNION ALL
            SELECT w.key, 'ticket of another event' FROM (
-- >>> db/audit/discount_code_tickets_other_event.sql
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
-- <<<
            ) AS w
            UNION ALL
            SELECT w.key, 'no id of a ticket' FROM (
-- >>> db/audit/discount_code_tickets_unknown.sql
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
-- <<<
            ) AS w
            -- a quantity below 0 keeps a row from being written at all until somebody corrects it
            UNION ALL
            SELECT w.key, 'claim lost: the ticket has a negative quantity' FROM (
                SELECT pg_catalog.min(c.id)::text || ':' || t.id::text AS key
                FROM public.discount_codes AS c
                CROSS JOIN LATERAL pg_catalog.string_to_table(c.tickets, ',') AS p (word)
                INNER JOIN public.tickets AS t ON t.event_id = c.event_id AND t.quantity < 0
                    AND t.id::text = pg_catalog.ltrim(pg_catalog.btrim(p.word, E' \t\n\r\f\x0B'), '0')
                WHERE c.used_for = 'ticket'
                GROUP BY t.id
            ) AS w
        ) AS v
    ) AS n
    -- looked up one by one in the index, by OFFSET 0, as below
    WHERE NOT EXISTS (
        SELECT FROM oeventdb_internal.journal AS j
        WHERE j.migration = '0006.discount-codes' AND j.table_name = 'tickets' AND j.key = n.key
            AND j.reason NOT LIKE 'link % since the migration' -- kept by a rollback of before
        OFFSET 0
    );

    -- a word that was taken out of a text parts the ticket from the code; all of them first, another code may have it now
    -- (the words of a text as a set: one by one, long texts take time by their square)
    UPDATE public.tickets AS t SET discount_code_id = NULL
    FROM (
        SELECT l.discount_code_id, pg_catalog.ltrim(pg_catalog.btrim(p.word, E' \t\n\r\f\x0B'), '0') COLLATE pg_catalog."C" AS word
        FROM oeventdb_internal.linked_texts AS l
        INNER JOIN public.discount_codes AS c ON c.id = l.discount_code_id AND c.used_for = 'ticket' AND c.tickets IS DISTINCT FROM l.tickets
        CROSS JOIN LATERAL pg_catalog.string_to_table(l.tickets, ',') AS p (word)
        EXCEPT
        SELECT c.id, pg_catalog.ltrim(pg_catalog.btrim(n.word, E' \t\n\r\f\x0B'), '0') COLLATE pg_catalog."C"
        FROM oeventdb_internal.linked_texts AS l
        INNER JOIN public.discount_codes AS c ON c.id = l.discount_code_id AND c.used_for = 'ticket' AND c.tickets IS DISTINCT FROM l.tickets
        CROSS JOIN LATERAL pg_catalog.string_to_table(c.tickets, ',') AS n (word)
    ) AS r
    WHERE t.discount_code_id = r.discount_code_id AND t.id::text = r.word;

    INSERT INTO oeventdb_internal.progress (task, done, total, unit)
    SELECT v_task, LEAST(pg_catalog.min(c.id)::bigint - 1, 0), COALESCE(pg_catalog.max(c.id), 0), 'ids' FROM public.discount_codes AS c
    ON CONFLICT (task) DO UPDATE SET total = EXCLUDED.total;
    COMMIT;
    SET LOCAL search_path = pg_catalog, pg_temp;
    LOOP
        PERFORM pg_catalog.set_config('lock_timeout', '300ms', true);
        BEGIN
            SELECT p.done INTO v_from FROM oeventdb_internal.progress AS p WHERE p.task = v_task FOR UPDATE;
            SELECT pg_catalog.max(s.id) INTO v_to FROM (
                SELECT c.id FROM public.discount_codes AS c WHERE c.id > v_from ORDER BY c.id LIMIT 200
            ) AS s;
            EXIT WHEN v_to IS NULL;
            WITH claimed AS (
                SELECT w.ticket_id, pg_catalog.min(w.discount_code_id) AS discount_code_id
                FROM (
                    SELECT s.discount_code_id, ('0' || s.word)::bigint AS ticket_id
                    FROM (
                        SELECT
                            c.id AS discount_code_id,
                            pg_catalog.ltrim(pg_catalog.btrim(p.word, E' \t\n\r\f\x0B'), '0') COLLATE pg_catalog."C" AS word
                        FROM public.discount_codes AS c
                        CROSS JOIN LATERAL pg_catalog.string_to_table(c.tickets, ',') AS p (word)
                        WHERE c.id > v_from AND c.id <= v_to AND c.used_for = 'ticket'
                            AND pg_catalog.btrim(p.word, E' \t\n\r\f\x0B') ~ '^[0-9]{1,18}$'
                        -- one that has been seen to is not asked for again: the link may have been removed since
                        EXCEPT
                        SELECT l.discount_code_id, pg_catalog.ltrim(pg_catalog.btrim(o.word, E' \t\n\r\f\x0B'), '0') COLLATE pg_catalog."C"
                        FROM oeventdb_internal.linked_texts AS l
                        CROSS JOIN LATERAL pg_catalog.string_to_table(l.tickets, ',') AS o (word)
                        WHERE l.discount_code_id > v_from AND l.discount_code_id <= v_to
                    ) AS s
                ) AS w
                INNER JOIN public.tickets AS l ON l.id = w.ticket_id
                INNER JOIN public.discount_codes AS o ON o.id = w.discount_code_id AND o.event_id = l.event_id
                GROUP BY w.ticket_id
            ), judged AS (
                -- once an amount above the price is refused, a text that was written since cannot ask for it
                SELECT
                    n.ticket_id, n.discount_code_id,
                    CASE
                        WHEN t.event_id IS DISTINCT FROM c.event_id THEN 'ticket of another event'
                        WHEN t.discount_code_id IS NOT NULL THEN 'claim lost: the ticket has another code'
                        WHEN c.type = 'amount' AND NOT c.value <= COALESCE(t.price, 0) AND EXISTS (
                            SELECT FROM pg_catalog.pg_trigger AS g
                            WHERE g.tgrelid = 'public.tickets'::pg_catalog.regclass AND g.tgname = 'ticket_discount'
                        ) THEN 'amount above the price of the ticket'
                    END AS refusal
                FROM claimed AS n
                INNER JOIN public.tickets AS t ON t.id = n.ticket_id AND t.discount_code_id IS DISTINCT FROM n.discount_code_id
                INNER JOIN public.discount_codes AS c ON c.id = n.discount_code_id
                WHERE COALESCE(t.quantity, 0) >= 0
                FOR NO KEY UPDATE OF t -- one that has to be waited for is judged as it is by then
            ), journaled AS (
                INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
                SELECT
                    '0006.discount-codes', 'tickets', j.discount_code_id::text || ':' || j.ticket_id::text,
                    pg_catalog.jsonb_build_object('discount_code_id', j.discount_code_id, 'ticket_id', j.ticket_id::text),
                    j.refusal
                FROM judged AS j
                -- looked up one by one in the index, by OFFSET 0: as a join it would read all entries of the migration for each
                WHERE j.refusal IS NOT NULL AND NOT EXISTS (
                    SELECT FROM oeventdb_internal.journal AS e
                    WHERE e.migration = '0006.discount-codes' AND e.table_name = 'tickets'
                        AND e.key = j.discount_code_id::text || ':' || j.ticket_id::text
                        AND e.reason NOT LIKE 'link % since the migration'
                    OFFSET 0
                )
            ), seen AS (
                INSERT INTO oeventdb_internal.linked_texts (discount_code_id, tickets)
                SELECT c.id, CASE c.used_for WHEN 'ticket' THEN COALESCE(c.tickets, '') ELSE '' END
                FROM public.discount_codes AS c WHERE c.id > v_from AND c.id <= v_to
                ON CONFLICT (discount_code_id) DO UPDATE SET tickets = EXCLUDED.tickets
            )
            UPDATE public.tickets AS t SET discount_code_id = j.discount_code_id
            FROM judged AS j
            INNER JOIN public.discount_codes AS c ON c.id = j.discount_code_id
            WHERE j.refusal IS NULL AND t.id = j.ticket_id AND t.event_id = c.event_id AND t.discount_code_id IS NULL;
            UPDATE oeventdb_internal.progress AS p SET done = v_to, updated_at = pg_catalog.now() WHERE p.task = v_task;
            v_failures := 0;
        EXCEPTION WHEN lock_not_available OR deadlock_detected OR foreign_key_violation
            OR SQLSTATE 'OE105' OR SQLSTATE 'OE201' OR SQLSTATE 'OE205' OR SQLSTATE 'OE404' THEN
            -- somebody holds one of these rows, or has just changed or deleted one: let go of the others before trying again
            v_failures := v_failures + 1;
            IF v_failures > 1000 THEN
                RAISE;
            END IF;
        END;
        COMMIT;
        SET LOCAL search_path = pg_catalog, pg_temp;
        PERFORM pg_catalog.pg_sleep(LEAST(v_failures, 10) * 0.02);
    END LOOP;
    DELETE FROM oeventdb_internal.progress AS p WHERE p.task = v_task;
    COMMIT;
END
$procedure$;

REVOKE ALL ON PROCEDURE oeventdb_internal.link_ticket_texts() FROM PUBLIC;
