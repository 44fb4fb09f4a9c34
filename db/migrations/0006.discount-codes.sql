-- A discount code covers tickets of its own event by foreign key, not by a text of ids; its definition is checked; tickets are listed by function.
-- transactional: false
-- depends: 0005.ticket-holders

DO $$
DECLARE
    v_longest CONSTANT integer := 2600;
    v_found text;
BEGIN
    -- an index holds no more than 2704 bytes of a row
    SELECT pg_catalog.string_agg(pg_catalog.format('%s of %s', w.place, w.id), ', ' ORDER BY w.place, w.id) INTO v_found
    FROM (
        SELECT 'discount_codes.code' AS place, c.id FROM public.discount_codes AS c WHERE pg_catalog.pg_column_size(c.code) > v_longest
        UNION ALL
        SELECT 'discount_codes.used_for', c.id FROM public.discount_codes AS c WHERE pg_catalog.pg_column_size(c.used_for) > v_longest
        UNION ALL
        SELECT 'access_codes.code', c.id FROM public.access_codes AS c WHERE pg_catalog.pg_column_size(c.code) > v_longest
        UNION ALL
        SELECT 'events.identifier', e.id FROM public.events AS e WHERE pg_catalog.pg_column_size(e.identifier) > v_longest
        LIMIT 5
    ) AS w;
    IF v_found IS NOT NULL THEN
        RAISE EXCEPTION 'too long for an index: %', v_found
        USING HINT = pg_catalog.format('Shorten it to %s bytes, then migrate again.', v_longest);
    END IF;
    -- in the same statement: what refuses in the first one has not begun, and needs no undoing
    ALTER TABLE public.discount_codes
        ADD COLUMN IF NOT EXISTS deleted_at timestamptz,
        ADD COLUMN IF NOT EXISTS is_duplicate boolean NOT NULL DEFAULT false,
        ADD COLUMN IF NOT EXISTS is_legacy boolean NOT NULL DEFAULT false;
END
$$;

COMMENT ON COLUMN public.discount_codes.is_legacy IS
'From before its definition had rules, and breaks one. It stays usable until its text, type, value, quantities or dates change.';

COMMENT ON COLUMN public.discount_codes.is_duplicate IS
'From before codes were unique in their event: an older live code reads the same. It stays usable until its text changes.';

ALTER TABLE public.access_codes ADD COLUMN IF NOT EXISTS deleted_at timestamptz;

-- Indexes for the keys and the lists.
SELECT oeventdb_internal.drop_unfinished_index('discount_codes_kind');

CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS discount_codes_kind ON public.discount_codes (id, event_id, used_for);

SELECT oeventdb_internal.drop_unfinished_index('orders_tickets_ticket_id');

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_tickets_ticket_id ON public.orders_tickets (ticket_id);

SELECT oeventdb_internal.drop_unfinished_index('association_ticket_tag');

CREATE INDEX CONCURRENTLY IF NOT EXISTS association_ticket_tag ON public.association (ticket_tag_id);

SELECT oeventdb_internal.drop_unfinished_index('events_identifier');

CREATE INDEX CONCURRENTLY IF NOT EXISTS events_identifier ON public.events (identifier);

SELECT oeventdb_internal.drop_unfinished_index('events_discount_code');

CREATE INDEX CONCURRENTLY IF NOT EXISTS events_discount_code
    ON public.events (discount_code_id) WHERE discount_code_id IS NOT NULL;

-- The kind of a code that covers a ticket, and its event, are held by the key; deleting a code used to delete its events.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 'public.tickets'::regclass AND conname = 'tickets_discount_code'
    ) THEN
        -- with the columns: nobody can write a link before it is checked
        ALTER TABLE public.tickets
            ADD COLUMN IF NOT EXISTS discount_code_id bigint,
            ADD COLUMN IF NOT EXISTS discount_code_used_for varchar NOT NULL DEFAULT 'ticket',
            ADD CONSTRAINT tickets_discount_code_kind CHECK (discount_code_used_for = 'ticket') NOT VALID,
            ADD CONSTRAINT tickets_discount_code_event CHECK (discount_code_id IS NULL OR event_id IS NOT NULL) NOT VALID,
            ADD CONSTRAINT tickets_discount_code FOREIGN KEY (discount_code_id, event_id, discount_code_used_for)
                REFERENCES public.discount_codes (id, event_id, used_for) ON DELETE CASCADE NOT VALID;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 'public.events'::regclass AND conname = 'events_discount_code'
    ) THEN
        PERFORM oeventdb_internal.drop_reference('0006.discount-codes', 'public.events', 'discount_code_id', 'public.discount_codes');
        ALTER TABLE public.events ADD CONSTRAINT events_discount_code
            FOREIGN KEY (discount_code_id) REFERENCES public.discount_codes ON DELETE SET NULL NOT VALID;
    END IF;
END
$$;

COMMENT ON COLUMN public.tickets.discount_code_id IS
'The discount code that covers the ticket, at most one; of the same event and of kind ticket.';

COMMENT ON COLUMN public.tickets.discount_code_used_for IS
'Always ticket: part of the foreign key that no code of another kind can satisfy.';

SELECT oeventdb_internal.drop_unfinished_index('tickets_discount_code_id');

CREATE INDEX CONCURRENTLY IF NOT EXISTS tickets_discount_code_id
    ON public.tickets (discount_code_id) WHERE discount_code_id IS NOT NULL;

ALTER TABLE public.tickets VALIDATE CONSTRAINT tickets_discount_code_kind;

ALTER TABLE public.tickets VALIDATE CONSTRAINT tickets_discount_code_event;

ALTER TABLE public.tickets VALIDATE CONSTRAINT tickets_discount_code;

SELECT oeventdb_internal.validate_reference('public.events', 'events_discount_code');

-- The texts as they were when they became links: what differs from them later was written into the texts, what does not may have been changed
-- in the links.
CREATE TABLE IF NOT EXISTS oeventdb_internal.linked_texts (
    discount_code_id bigint PRIMARY KEY,
    tickets text NOT NULL
);

-- What the texts of ids say becomes links; what cannot is journaled. Called again when the texts are dropped, for what was written meanwhile.
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

CALL oeventdb_internal.link_ticket_texts();

-- Of live codes that read the same in one event the oldest is the code; the others are marked. What is written until the
-- rule is on is marked without a look at the others, which another transaction may be writing, and looked at once more.
CREATE TABLE IF NOT EXISTS oeventdb_internal.discount_codes_meanwhile (id bigint PRIMARY KEY);

CREATE OR REPLACE FUNCTION oeventdb_internal.discount_code_meanwhile() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'INSERT'
        OR (NEW.id, NEW.event_id, pg_catalog.lower(pg_catalog.lower(NEW.code COLLATE "C") COLLATE "default"))
            IS DISTINCT FROM (OLD.id, OLD.event_id, pg_catalog.lower(pg_catalog.lower(OLD.code COLLATE "C") COLLATE "default"))
    THEN
        NEW.is_duplicate := true;
        INSERT INTO oeventdb_internal.discount_codes_meanwhile (id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE FUNCTION oeventdb_internal.look_at_discount_codes_again() RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_id bigint;
    v_looked_at integer := 0;
BEGIN
    FOR v_id IN SELECT m.id FROM oeventdb_internal.discount_codes_meanwhile AS m ORDER BY m.id LOOP
        -- what reads like another stays as it is; asked first, as each update that is refused makes the next one slower
        PERFORM FROM public.discount_codes AS t
        INNER JOIN public.discount_codes AS c
            ON c.event_id = t.event_id
                AND pg_catalog.lower(pg_catalog.lower(c.code COLLATE "C") COLLATE "default")
                    = pg_catalog.lower(pg_catalog.lower(t.code COLLATE "C") COLLATE "default")
        WHERE c.id = v_id AND c.deleted_at IS NULL AND t.id <> v_id AND t.deleted_at IS NULL AND NOT t.is_duplicate
        FOR SHARE OF t;
        IF NOT FOUND THEN
            BEGIN
                UPDATE public.discount_codes AS c SET is_duplicate = false WHERE c.id = v_id;
            EXCEPTION WHEN unique_violation OR check_violation THEN
                -- somebody was faster, or it breaks another rule, too: it stays as it is until somebody writes it again
                NULL;
            END;
        END IF;
        DELETE FROM oeventdb_internal.discount_codes_meanwhile AS m WHERE m.id = v_id;
        v_looked_at := v_looked_at + 1;
    END LOOP;
    RETURN v_looked_at;
END
$function$;

SELECT oeventdb_internal.drop_unfinished_index('discount_codes_event_code');

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS g
        WHERE g.tgrelid = 'public.discount_codes'::pg_catalog.regclass AND g.tgname = 'discount_code_definition'
    ) THEN
        CREATE OR REPLACE TRIGGER discount_code_meanwhile BEFORE INSERT OR UPDATE OF id, code, event_id ON public.discount_codes
            FOR EACH ROW EXECUTE FUNCTION oeventdb_internal.discount_code_meanwhile();
    END IF;
END
$$;

UPDATE public.discount_codes AS c SET is_duplicate = true
FROM (
    SELECT d.id, pg_catalog.row_number() OVER (
        PARTITION BY d.event_id, pg_catalog.lower(pg_catalog.lower(d.code COLLATE "C") COLLATE "default") ORDER BY d.id
    ) AS place
    FROM public.discount_codes AS d WHERE d.event_id IS NOT NULL AND d.deleted_at IS NULL AND NOT d.is_duplicate
) AS s
WHERE s.id = c.id AND s.place > 1;

-- The letters of ASCII first, the same in every database: in a Turkish one FIRST and first would be two codes else.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS discount_codes_event_code
    ON public.discount_codes (event_id, pg_catalog.lower(pg_catalog.lower(code COLLATE pg_catalog."C") COLLATE pg_catalog."default"))
    WHERE deleted_at IS NULL AND NOT is_duplicate;

-- Old codes may break these, as long as nobody changes what breaks them: whoever switches one off or uses it writes the row, too.
-- Whoever does so before such codes are marked marks the code.
CREATE OR REPLACE FUNCTION oeventdb_internal.discount_code_unmarked() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    NEW.is_legacy := OLD.is_legacy
        OR (NEW.code, NEW.type, NEW.value, NEW.used_for, NEW.tickets_number, NEW.min_quantity, NEW.max_quantity, NEW.valid_from, NEW.valid_till)
            IS NOT DISTINCT FROM
            (OLD.code, OLD.type, OLD.value, OLD.used_for, OLD.tickets_number, OLD.min_quantity, OLD.max_quantity, OLD.valid_from, OLD.valid_till);
    RETURN NEW;
END
$function$;

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 'public.discount_codes'::regclass AND conname = 'discount_codes_value'
    ) THEN
        ALTER TABLE public.discount_codes
            ADD CONSTRAINT discount_codes_type CHECK (is_legacy OR type::text IN ('amount', 'percent')) NOT VALID,
            ADD CONSTRAINT discount_codes_used_for CHECK (is_legacy OR used_for::text IN ('ticket', 'event')) NOT VALID,
            ADD CONSTRAINT discount_codes_code CHECK (is_legacy OR code COLLATE "C" ~ E'[^ \\t\\n\\r\\f\\v]') NOT VALID,
            ADD CONSTRAINT discount_codes_value
                CHECK (is_legacy OR (value >= 0 AND value < 'Infinity' AND (type <> 'percent' OR value <= 100))) NOT VALID,
            ADD CONSTRAINT discount_codes_max_quantity CHECK (is_legacy OR max_quantity >= 0) NOT VALID,
            ADD CONSTRAINT discount_codes_min_quantity
                CHECK (is_legacy OR (min_quantity >= 0 AND min_quantity <= max_quantity)) NOT VALID,
            ADD CONSTRAINT discount_codes_tickets_number
                CHECK (is_legacy OR (tickets_number >= 0 AND tickets_number >= max_quantity)) NOT VALID,
            ADD CONSTRAINT discount_codes_valid_till CHECK (is_legacy OR valid_from < valid_till) NOT VALID;
        CREATE TRIGGER discount_code_unmarked BEFORE UPDATE ON public.discount_codes
            FOR EACH ROW WHEN (NOT NEW.is_legacy) EXECUTE FUNCTION oeventdb_internal.discount_code_unmarked();
    END IF;
END
$$;

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS g
        WHERE g.tgrelid = 'public.discount_codes'::pg_catalog.regclass AND g.tgname = 'discount_code_definition'
    ) THEN
        EXECUTE (
            -- by the constraints themselves: the rules stand there
            SELECT 'UPDATE public.discount_codes SET is_legacy = true WHERE NOT is_legacy AND NOT ('
                || pg_catalog.string_agg(
                    pg_catalog.format('COALESCE(%s, true)', pg_catalog.pg_get_expr(c.conbin, c.conrelid)), ' AND '
                ) || ')'
            FROM pg_catalog.pg_constraint AS c
            WHERE c.conrelid = 'public.discount_codes'::pg_catalog.regclass AND c.contype = 'c'
                AND c.conname IN (
                    'discount_codes_type', 'discount_codes_used_for', 'discount_codes_code', 'discount_codes_value',
                    'discount_codes_max_quantity', 'discount_codes_min_quantity', 'discount_codes_tickets_number',
                    'discount_codes_valid_till'
                )
        );
    END IF;
END
$$;

DROP TRIGGER IF EXISTS discount_code_unmarked ON public.discount_codes;

DROP FUNCTION IF EXISTS oeventdb_internal.discount_code_unmarked();

DO $$
BEGIN
    IF pg_catalog.to_regtype('oeventdb.ticket') IS NULL THEN
        CREATE TYPE oeventdb.ticket AS (
            id bigint, event_id bigint, name text, description text, type text, quantity integer, price numeric,
            position integer, min_order integer, max_order integer, sales_starts_at timestamptz,
            sales_ends_at timestamptz, is_hidden boolean, discount_code_id bigint
        );
        CREATE TYPE oeventdb.discount_code AS (
            id bigint, event_id bigint, code text, type text, value numeric, used_for text, is_active boolean,
            tickets_number integer, min_quantity integer, max_quantity integer, valid_from timestamptz,
            valid_till timestamptz, created_at timestamptz
        );
        COMMENT ON TYPE oeventdb.ticket IS
        'A kind of ticket of an event: type is free, paid or donation; price in the event''s currency; quantity NULL is unlimited; at most one discount code.';
        COMMENT ON TYPE oeventdb.discount_code IS
        'A discount code: value is a percentage or an amount (type) off each covered seat; used_for is ticket or event; NULL limits nothing.';
    END IF;
END
$$;

-- >>> db/procedures/internal/ticket_row.sql
-- What the API shows of a ticket, from the table's row; a ticket of which nobody said so is hidden.
-- SQL without SET search_path, so that it is inlined; it names nothing but its argument.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_row(
    ticket public.tickets
) RETURNS oeventdb.ticket
LANGUAGE sql
STABLE
AS $function$
    SELECT ROW(
        ticket.id, ticket.event_id, ticket.name, ticket.description, ticket.type, ticket.quantity, ticket.price::numeric,
        ticket.position, ticket.min_order, ticket.max_order, ticket.sales_starts_at, ticket.sales_ends_at,
        COALESCE(ticket.is_hidden, true), ticket.discount_code_id
    )::oeventdb.ticket
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_row(public.tickets) IS
'The API''s row of a ticket.';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_row(public.tickets) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/discount_code_row.sql
-- What the API shows of a discount code, from the table's row.
-- SQL without SET search_path, so that it is inlined; it names nothing but its argument.
CREATE OR REPLACE FUNCTION oeventdb_internal.discount_code_row(
    discount_code public.discount_codes
) RETURNS oeventdb.discount_code
LANGUAGE sql
STABLE
AS $function$
    SELECT ROW(
        discount_code.id, discount_code.event_id, discount_code.code, discount_code.type, discount_code.value::numeric,
        discount_code.used_for, discount_code.is_active, discount_code.tickets_number, discount_code.min_quantity,
        discount_code.max_quantity, discount_code.valid_from, discount_code.valid_till, discount_code.created_at
    )::oeventdb.discount_code
$function$;

COMMENT ON FUNCTION oeventdb_internal.discount_code_row(public.discount_codes) IS
'The API''s row of a discount code.';

REVOKE ALL ON FUNCTION oeventdb_internal.discount_code_row(public.discount_codes) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/require_choice.sql
-- An argument that is one of a few words is refused when it is none of them.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_choice(
    argument text,
    value text,
    choices text[]
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_choice.value IS NULL OR require_choice.value COLLATE "C" <> ALL (require_choice.choices) THEN
        PERFORM oeventdb_internal.refuse_argument(
            require_choice.argument,
            pg_catalog.format('is none of %s', pg_catalog.array_to_string(require_choice.choices, ', '))
        );
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_choice(text, text, text[]) IS
'Raises OE400 for a value of the argument that is NULL or none of the choices.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_choice(text, text, text[]) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/require_ids.sql
-- A list of ids is a plain list without gaps: NULL is no id, and in an array of arrays none would be looked for.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_ids(
    argument text,
    ids bigint[]
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_wrong text := CASE
        WHEN require_ids.ids IS NULL THEN 'is NULL'
        WHEN pg_catalog.array_ndims(require_ids.ids) > 1 THEN 'is an array of arrays'
        WHEN pg_catalog.array_position(require_ids.ids, NULL) IS NOT NULL THEN 'contains NULL'
    END;
BEGIN
    IF v_wrong IS NOT NULL THEN
        PERFORM oeventdb_internal.refuse_argument(require_ids.argument, v_wrong);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_ids(text, bigint[]) IS
'Raises OE400 for a list of ids that is NULL, contains NULL or has more than one dimension.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_ids(text, bigint[]) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/require_discount_code.sql
-- A function that works on one discount code starts by making sure that the code exists.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_discount_code(
    discount_code_id bigint
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_discount_code.discount_code_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('discount_code_id', 'is NULL');
    END IF;

    PERFORM FROM public.discount_codes AS c
    WHERE c.id = require_discount_code.discount_code_id AND c.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('discount_code', require_discount_code.discount_code_id);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_discount_code(bigint) IS
'Raises OE400 for NULL, OE404 for an unknown or deleted discount code.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_discount_code(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/refuse_amount.sql
-- An amount off that is more than the price is refused in one wording, from whichever side it came about.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_amount(
    discount_code_id bigint,
    value numeric,
    ticket_id bigint,
    price numeric
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE205',
        pg_catalog.format(
            'discount code %s takes %s off, more than the price %s of ticket %s',
            refuse_amount.discount_code_id, refuse_amount.value, COALESCE(refuse_amount.price, 0), refuse_amount.ticket_id
        ),
        pg_catalog.jsonb_build_object(
            'field', 'value', 'discount_code_id', refuse_amount.discount_code_id, 'ticket_id', refuse_amount.ticket_id,
            'value', refuse_amount.value, 'price', COALESCE(refuse_amount.price, 0)
        ),
        'Lower the amount, raise the price, or take the ticket off the code.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_amount(bigint, numeric, bigint, numeric) IS
'Raises OE205 (discount_code_definition), field value.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_amount(bigint, numeric, bigint, numeric) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/refuse_code_kind.sql
-- A code for whole events where one for tickets is needed is refused in one wording.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_code_kind(
    discount_code_id bigint
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE201',
        pg_catalog.format('discount code %s is for whole events, not for tickets', refuse_code_kind.discount_code_id),
        pg_catalog.jsonb_build_object('discount_code_id', refuse_code_kind.discount_code_id, 'used_for', 'event'),
        'Use a code that was created with used_for => ''ticket''.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_code_kind(bigint) IS
'Raises OE201 (discount_code_wrong_kind).';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_code_kind(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/refuse_definition.sql
-- What a constraint on discount codes refuses is explained by the field it is about.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_definition(
    field text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE205',
        pg_catalog.format('a discount code cannot have this %s', refuse_definition.field),
        pg_catalog.jsonb_build_object('field', refuse_definition.field),
        CASE refuse_definition.field
            WHEN 'value' THEN 'A percent is from 0 to 100, an amount from 0 to the price of each covered ticket.'
            WHEN 'code' THEN 'Another live code of the event reads the same, whatever its case, or the text is too long: choose another.'
            WHEN 'max_quantity' THEN 'max_quantity is at least 0; NULL is unlimited.'
            WHEN 'min_quantity' THEN 'min_quantity is from 0 to max_quantity.'
            WHEN 'tickets_number' THEN 'tickets_number is at least 0 and at least max_quantity; NULL is unlimited.'
            WHEN 'valid_till' THEN 'valid_from is before valid_till.'
            ELSE 'See the constraint of that name on public.discount_codes.'
        END
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_definition(text) IS
'Raises OE205 (discount_code_definition) with the field.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_definition(text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/lock_code_tickets.sql
-- Whoever changes the tickets of a code locks first those that it has and those that it gets, in one order for everybody.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_code_tickets(
    discount_code_id bigint,
    ticket_ids bigint[]
) RETURNS bigint[]
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT ARRAY(
        SELECT t.id::bigint FROM public.tickets AS t
        WHERE t.discount_code_id = lock_code_tickets.discount_code_id OR t.id = ANY (lock_code_tickets.ticket_ids)
        ORDER BY t.id FOR NO KEY UPDATE
    )
$function$;

COMMENT ON FUNCTION oeventdb_internal.lock_code_tickets(bigint, bigint[]) IS
'Locks the tickets of a code, and those in ticket_ids, and returns their ids. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_code_tickets(bigint, bigint[]) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/attach_discount_code.sql
-- A code of kind 'ticket' covers exactly these tickets of its event afterwards; one that another code covered changes over to it.
CREATE OR REPLACE FUNCTION oeventdb_internal.attach_discount_code(
    discount_code_id bigint,
    event_id bigint,
    ticket_ids bigint[]
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_wrong record;
BEGIN
    SELECT s.ticket_id, t.id, t.event_id INTO v_wrong
    FROM pg_catalog.unnest(attach_discount_code.ticket_ids) AS s (ticket_id)
    LEFT JOIN public.tickets AS t ON t.id = s.ticket_id AND t.deleted_at IS NULL
    WHERE t.id IS NULL OR t.event_id IS DISTINCT FROM attach_discount_code.event_id
    ORDER BY s.ticket_id LIMIT 1;
    IF FOUND AND v_wrong.id IS NULL THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket', v_wrong.ticket_id);
    ELSIF FOUND THEN
        PERFORM oeventdb_internal.refuse_wrong_event('ticket', v_wrong.ticket_id, attach_discount_code.event_id);
    END IF;

    UPDATE public.tickets AS t SET discount_code_id = NULL
    WHERE t.discount_code_id = attach_discount_code.discount_code_id AND t.id <> ALL (attach_discount_code.ticket_ids);
    UPDATE public.tickets AS t SET discount_code_id = attach_discount_code.discount_code_id
    WHERE t.id = ANY (attach_discount_code.ticket_ids)
        AND t.discount_code_id IS DISTINCT FROM attach_discount_code.discount_code_id;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.attach_discount_code(bigint, bigint, bigint[]) IS
'Replaces the tickets of a code, which the caller has locked (lock_code_tickets).
Raises OE404 no such ticket, OE105 ticket of another event, OE205 amount above a price.';

REVOKE ALL ON FUNCTION oeventdb_internal.attach_discount_code(bigint, bigint, bigint[]) FROM PUBLIC;
-- <<<

-- >>> db/procedures/discount_codes/discount_code_definition.sql
-- A code keeps its kind for life; what it may be as an old one, a duplicate or against the rules, it may only while it stays as it was.
CREATE OR REPLACE FUNCTION oeventdb_internal.discount_code_definition() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.is_duplicate := false;
        NEW.is_legacy := false;
        RETURN NEW;
    END IF;

    IF NEW.used_for IS DISTINCT FROM OLD.used_for THEN
        PERFORM oeventdb_internal.fail(
            'OE201',
            pg_catalog.format('discount code %s is for %ss and stays so', OLD.id, OLD.used_for),
            pg_catalog.jsonb_build_object('discount_code_id', OLD.id, 'used_for', OLD.used_for),
            'Create another code of the kind that you need.'
        );
    END IF;
    NEW.is_duplicate := OLD.is_duplicate AND NEW.event_id IS NOT DISTINCT FROM OLD.event_id
        AND pg_catalog.lower(pg_catalog.lower(NEW.code COLLATE "C") COLLATE "default")
            = pg_catalog.lower(pg_catalog.lower(OLD.code COLLATE "C") COLLATE "default");
    NEW.is_legacy := OLD.is_legacy
        AND (NEW.code, NEW.type, NEW.value, NEW.tickets_number, NEW.min_quantity, NEW.max_quantity, NEW.valid_from, NEW.valid_till)
            IS NOT DISTINCT FROM
            (OLD.code, OLD.type, OLD.value, OLD.tickets_number, OLD.min_quantity, OLD.max_quantity, OLD.valid_from, OLD.valid_till);
    IF NEW.type = 'amount' AND (NEW.value IS DISTINCT FROM OLD.value OR OLD.type <> 'amount') THEN
        IF NEW.value > OLD.value OR OLD.type <> 'amount' THEN
            -- an older snapshot would not show the tickets that were attached, or became cheaper, since
            PERFORM oeventdb_internal.require_read_committed('the amount of a code is raised');
        END IF;
        PERFORM oeventdb_internal.refuse_amount(NEW.id, NEW.value::numeric, t.id, t.price::numeric)
        FROM public.tickets AS t
        WHERE t.discount_code_id = NEW.id AND COALESCE(t.price, 0) < NEW.value;
    END IF;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.discount_code_definition() IS
'Trigger of public.discount_codes. Raises OE201 when used_for changes, OE205 when an amount would exceed the price of a covered ticket,
feature_not_supported when it is raised under REPEATABLE READ or SERIALIZABLE.';

REVOKE ALL ON FUNCTION oeventdb_internal.discount_code_definition() FROM PUBLIC;
-- <<<

-- >>> db/procedures/discount_codes/ticket_discount.sql
-- A code covers a ticket of its own event only, and takes at most the price off it: said in words here, held by the foreign key.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_discount() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.discount_codes;
BEGIN
    -- locked: the amount must not be raised, nor this price lowered, behind the other's back
    SELECT c.* INTO v_code FROM public.discount_codes AS c WHERE c.id = NEW.discount_code_id FOR SHARE;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('discount_code', NEW.discount_code_id);
    ELSIF v_code.used_for <> 'ticket' THEN
        PERFORM oeventdb_internal.refuse_code_kind(v_code.id::bigint);
    ELSIF v_code.event_id IS DISTINCT FROM NEW.event_id THEN
        PERFORM oeventdb_internal.refuse_wrong_event('discount_code', v_code.id::bigint, NEW.event_id::bigint);
    ELSIF v_code.type = 'amount' AND v_code.value::numeric > COALESCE(NEW.price, 0)::numeric THEN
        PERFORM oeventdb_internal.refuse_amount(v_code.id::bigint, v_code.value::numeric, NEW.id, NEW.price::numeric);
    END IF;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_discount() IS
'Trigger of public.tickets, before a code is attached or the event or price of a covered ticket changes. Raises OE404 no such code, OE201 code for
whole events, OE105 code of another event, OE205 amount above the price.';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_discount() FROM PUBLIC;
-- <<<

-- >>> db/procedures/discount_codes/discount_code_tickets.sql
-- The tickets that a discount code covers, hidden ones too; a code that does not exist is told apart from one without tickets.
CREATE OR REPLACE FUNCTION oeventdb.discount_code_tickets(
    discount_code_id bigint
) RETURNS SETOF oeventdb.ticket
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    SELECT (oeventdb_internal.ticket_row(t.*)).*
    FROM public.tickets AS t
    INNER JOIN public.discount_codes AS c ON c.id = t.discount_code_id AND c.deleted_at IS NULL
    WHERE t.discount_code_id = discount_code_tickets.discount_code_id AND t.deleted_at IS NULL
    ORDER BY t.position, t.id;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.require_discount_code(discount_code_tickets.discount_code_id);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb.discount_code_tickets(bigint) IS
'The tickets of a discount code by position and id, hidden ones too; no row for a code without tickets.
Errors: OE404 no such code; OE400 discount_code_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.discount_code_tickets(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/discount_codes/replace_discount_code_tickets.sql
-- The whole set of tickets that a code covers is replaced at once, within the code's own event.
CREATE OR REPLACE FUNCTION oeventdb.replace_discount_code_tickets(
    discount_code_id bigint,
    ticket_ids bigint[]
) RETURNS SETOF oeventdb.ticket
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.discount_codes;
    v_ticket_ids bigint[];
BEGIN
    PERFORM oeventdb_internal.require_discount_code(replace_discount_code_tickets.discount_code_id);
    PERFORM oeventdb_internal.require_ids('ticket_ids', replace_discount_code_tickets.ticket_ids);

    LOOP
        -- the tickets before the code, as who writes one of them locks them: the other way round the two could wait for each other; undone
        -- where the code got another ticket meanwhile
        BEGIN
            v_ticket_ids := oeventdb_internal.lock_code_tickets(
                replace_discount_code_tickets.discount_code_id, replace_discount_code_tickets.ticket_ids
            );
            -- of two replacements the later must replace the whole of the earlier: written, not only locked, so that one whose snapshot is
            -- too old fails
            UPDATE public.discount_codes AS c SET is_active = c.is_active
            WHERE c.id = replace_discount_code_tickets.discount_code_id
            RETURNING c.* INTO v_code;
            EXIT WHEN NOT EXISTS (
                SELECT FROM public.tickets AS t WHERE t.discount_code_id = v_code.id AND t.id <> ALL (v_ticket_ids)
            );
            RAISE EXCEPTION USING ERRCODE = 'OE001';
        EXCEPTION WHEN SQLSTATE 'OE001' THEN
            NULL;
        END;
    END LOOP;
    IF v_code.id IS NULL THEN
        -- deleted while it was waited for
        PERFORM oeventdb_internal.refuse_unknown('discount_code', replace_discount_code_tickets.discount_code_id);
    ELSIF v_code.used_for <> 'ticket' THEN
        PERFORM oeventdb_internal.refuse_code_kind(v_code.id::bigint);
    END IF;
    PERFORM oeventdb_internal.attach_discount_code(
        v_code.id::bigint, v_code.event_id::bigint, replace_discount_code_tickets.ticket_ids
    );
    RETURN QUERY SELECT * FROM oeventdb.discount_code_tickets(v_code.id::bigint);
END
$function$;

COMMENT ON FUNCTION oeventdb.replace_discount_code_tickets(bigint, bigint[]) IS
'Makes ticket_ids the tickets of a code of kind ''ticket'' ({} takes all away; a ticket of another code changes over) and returns them.
Errors: OE404 no such code or ticket; OE400 an argument NULL, ticket_ids with a NULL or nested; OE201 code for whole events; OE105 ticket of
another event; OE205 amount above a ticket''s price.';

REVOKE ALL ON FUNCTION oeventdb.replace_discount_code_tickets(bigint, bigint[]) FROM PUBLIC;
-- <<<

-- >>> db/procedures/discount_codes/create_discount_code.sql
-- A new code for tickets of an event, or for the event as a whole; what the constraints refuse is said by the name of the field.
CREATE OR REPLACE FUNCTION oeventdb.create_discount_code(
    event_id bigint,
    code text,
    type text,
    value numeric,
    used_for text DEFAULT 'ticket',
    ticket_ids bigint[] DEFAULT '{}',
    tickets_number integer DEFAULT NULL,
    min_quantity integer DEFAULT 1,
    max_quantity integer DEFAULT NULL,
    valid_from timestamptz DEFAULT NULL,
    valid_till timestamptz DEFAULT NULL
) RETURNS SETOF oeventdb.discount_code
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.discount_codes;
    v_constraint text;
BEGIN
    PERFORM oeventdb_internal.require_event(create_discount_code.event_id);
    PERFORM oeventdb_internal.require_text('code', create_discount_code.code);
    PERFORM oeventdb_internal.require_choice('type', create_discount_code.type, ARRAY['amount', 'percent']);
    PERFORM oeventdb_internal.require_choice('used_for', create_discount_code.used_for, ARRAY['ticket', 'event']);
    IF create_discount_code.value IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('value', 'is NULL');
    END IF;
    PERFORM oeventdb_internal.require_ids('ticket_ids', create_discount_code.ticket_ids);

    BEGIN
        INSERT INTO public.discount_codes AS c (
            event_id, code, type, value, used_for, is_active, tickets_number, min_quantity, max_quantity,
            valid_from, valid_till, created_at
        ) VALUES (
            create_discount_code.event_id, create_discount_code.code, create_discount_code.type,
            create_discount_code.value::double precision, create_discount_code.used_for, true,
            create_discount_code.tickets_number, create_discount_code.min_quantity, create_discount_code.max_quantity,
            create_discount_code.valid_from, create_discount_code.valid_till, pg_catalog.now()
        ) RETURNING c.* INTO v_code;
    EXCEPTION
        WHEN numeric_value_out_of_range THEN
            PERFORM oeventdb_internal.refuse_definition('value');
        WHEN program_limit_exceeded THEN
            -- longer than an index can hold
            PERFORM oeventdb_internal.refuse_definition('code');
        WHEN unique_violation THEN
            GET STACKED DIAGNOSTICS v_constraint = CONSTRAINT_NAME;
            IF v_constraint <> 'discount_codes_event_code' THEN
                -- a sequence that lags behind its table is nobody's definition
                RAISE;
            END IF;
            PERFORM oeventdb_internal.refuse_definition('code');
        WHEN foreign_key_violation THEN
            -- deleted while it was waited for
            PERFORM oeventdb_internal.require_event(create_discount_code.event_id);
            RAISE;
        WHEN check_violation THEN
            GET STACKED DIAGNOSTICS v_constraint = CONSTRAINT_NAME;
            PERFORM oeventdb_internal.refuse_definition(pg_catalog.replace(v_constraint COLLATE "C", 'discount_codes_', ''));
    END;

    IF v_code.used_for = 'ticket' THEN
        PERFORM oeventdb_internal.lock_code_tickets(v_code.id::bigint, create_discount_code.ticket_ids);
        PERFORM oeventdb_internal.attach_discount_code(
            v_code.id::bigint, v_code.event_id::bigint, create_discount_code.ticket_ids
        );
    ELSIF create_discount_code.ticket_ids <> '{}' THEN
        PERFORM oeventdb_internal.refuse_code_kind(v_code.id::bigint);
    END IF;
    RETURN QUERY SELECT (oeventdb_internal.discount_code_row(v_code)).*;
END
$function$;

COMMENT ON FUNCTION oeventdb.create_discount_code(
    bigint, text, text, numeric, text, bigint[], integer, integer, integer, timestamptz, timestamptz
) IS
'Creates an active discount code and returns it. type is percent (value 0 to 100, off each covered seat) or amount (value in the event''s currency,
at most the price of each covered ticket); used_for is ticket (with ticket_ids, all of the event) or event. tickets_number limits the uses (NULL:
unlimited), min_quantity and max_quantity the covered seats of an order (NULL or 0: no limit; min_quantity <= max_quantity),
valid_from and valid_till the time (valid_till NULL: the event''s end). Errors: OE404 no such event or ticket; OE400 an argument NULL, blank
or no choice, ticket_ids with a NULL or nested; OE205 value, quantities, dates or code not allowed, DETAIL {"field"};
OE201 tickets given for a code of kind event; OE105 ticket of another event.';

REVOKE ALL ON FUNCTION oeventdb.create_discount_code(
    bigint, text, text, numeric, text, bigint[], integer, integer, integer, timestamptz, timestamptz
) FROM PUBLIC;
-- <<<

-- >>> db/procedures/discount_codes/delete_discount_code.sql
-- A deleted code leaves its tickets, its events and the orders that used it behind, unharmed.
CREATE OR REPLACE FUNCTION oeventdb.delete_discount_code(
    discount_code_id bigint
) RETURNS SETOF oeventdb.discount_code
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_order_ids bigint[];
    v_ticket_ids bigint[];
BEGIN
    PERFORM oeventdb_internal.require_discount_code(delete_discount_code.discount_code_id);
    LOOP
        -- the orders, which forget the code, and the tickets before the code, as who gives uses back or writes a ticket locks them: the
        -- other way round the two could wait for each other
        BEGIN
            v_order_ids := ARRAY(
                SELECT o.id FROM public.orders AS o
                WHERE o.discount_code_id = delete_discount_code.discount_code_id
                ORDER BY o.id FOR UPDATE
            );
            v_ticket_ids := oeventdb_internal.lock_code_tickets(delete_discount_code.discount_code_id, '{}');
            -- before detaching: no ticket may be attached in between, the cascade would take it
            PERFORM FROM public.discount_codes AS c WHERE c.id = delete_discount_code.discount_code_id FOR UPDATE;
            -- no more can come now; one that came while the code was waited for is locked if nobody else has, or all this is done again
            v_order_ids := v_order_ids || ARRAY(
                SELECT o.id FROM public.orders AS o
                WHERE o.discount_code_id = delete_discount_code.discount_code_id AND o.id <> ALL (v_order_ids)
                FOR UPDATE SKIP LOCKED
            );
            EXIT WHEN NOT EXISTS (
                SELECT FROM public.orders AS o
                WHERE o.discount_code_id = delete_discount_code.discount_code_id AND o.id <> ALL (v_order_ids)
            ) AND NOT EXISTS (
                SELECT FROM public.tickets AS t
                WHERE t.discount_code_id = delete_discount_code.discount_code_id AND t.id <> ALL (v_ticket_ids)
            );
            RAISE EXCEPTION USING ERRCODE = 'OE001';
        EXCEPTION WHEN SQLSTATE 'OE001' THEN
            NULL;
        END;
    END LOOP;
    UPDATE public.tickets AS t SET discount_code_id = NULL
    WHERE t.discount_code_id = delete_discount_code.discount_code_id;

    RETURN QUERY
    DELETE FROM public.discount_codes AS c WHERE c.id = delete_discount_code.discount_code_id AND c.deleted_at IS NULL
    RETURNING (oeventdb_internal.discount_code_row(c.*)).*;
    IF NOT FOUND THEN
        -- deleted while it was waited for
        PERFORM oeventdb_internal.refuse_unknown('discount_code', delete_discount_code.discount_code_id);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb.delete_discount_code(bigint) IS
'Detaches a code from its tickets, deletes it and returns it as it was. Errors: OE404 no such code; OE400 discount_code_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.delete_discount_code(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/tickets/event_tickets.sql
-- The tickets of an event, hidden ones too.
CREATE OR REPLACE FUNCTION oeventdb.event_tickets(
    event_id bigint
) RETURNS SETOF oeventdb.ticket
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.require_event(event_tickets.event_id);
    RETURN QUERY
    SELECT (oeventdb_internal.ticket_row(t.*)).*
    FROM public.tickets AS t
    WHERE t.event_id = event_tickets.event_id AND t.deleted_at IS NULL
    ORDER BY t.position, t.id;
END
$function$;

COMMENT ON FUNCTION oeventdb.event_tickets(bigint) IS
'The tickets of an event by position and id, hidden ones too; no row for an event without tickets.
Errors: OE404 no such event; OE400 event_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.event_tickets(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/tickets/event_tickets_by_identifier.sql
-- The tickets of the event with this identifier; where old events share one, the first of them.
CREATE OR REPLACE FUNCTION oeventdb.event_tickets_by_identifier(
    event_identifier text
) RETURNS SETOF oeventdb.ticket
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_event_id bigint;
BEGIN
    PERFORM oeventdb_internal.require_text('event_identifier', event_tickets_by_identifier.event_identifier);
    SELECT e.id INTO v_event_id FROM public.events AS e
    WHERE e.identifier = event_tickets_by_identifier.event_identifier AND e.deleted_at IS NULL
    ORDER BY e.id LIMIT 1;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('event', event_tickets_by_identifier.event_identifier);
    END IF;
    RETURN QUERY SELECT * FROM oeventdb.event_tickets(v_event_id);
END
$function$;

COMMENT ON FUNCTION oeventdb.event_tickets_by_identifier(text) IS
'The tickets of the event with this identifier by position and id, hidden ones too; of several such events (identifiers of old events are
not unique) the one with the lowest id. Errors: OE404 no such event; OE400 event_identifier NULL or blank.';

REVOKE ALL ON FUNCTION oeventdb.event_tickets_by_identifier(text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/tickets/ticket_tag_tickets.sql
-- The tickets that carry a tag, each once, hidden ones too.
CREATE OR REPLACE FUNCTION oeventdb.ticket_tag_tickets(
    ticket_tag_id bigint
) RETURNS SETOF oeventdb.ticket
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF ticket_tag_tickets.ticket_tag_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('ticket_tag_id', 'is NULL');
    ELSIF NOT EXISTS (SELECT FROM public.ticket_tag AS g WHERE g.id = ticket_tag_tickets.ticket_tag_id) THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket_tag', ticket_tag_tickets.ticket_tag_id);
    END IF;
    RETURN QUERY
    SELECT (oeventdb_internal.ticket_row(t.*)).*
    FROM public.tickets AS t
    WHERE t.deleted_at IS NULL AND t.id IN (
        -- old rows stand twice, or half empty
        SELECT a.ticket_id FROM public.association AS a WHERE a.ticket_tag_id = ticket_tag_tickets.ticket_tag_id
    )
    ORDER BY t.position, t.id;
END
$function$;

COMMENT ON FUNCTION oeventdb.ticket_tag_tickets(bigint) IS
'The tickets with a tag by position and id, each once, hidden ones too; no row for a tag without tickets.
Errors: OE404 no such tag; OE400 ticket_tag_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.ticket_tag_tickets(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/tickets/access_code_tickets.sql
-- The tickets that an access code opens, hidden ones too.
CREATE OR REPLACE FUNCTION oeventdb.access_code_tickets(
    access_code_id bigint
) RETURNS SETOF oeventdb.ticket
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF access_code_tickets.access_code_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('access_code_id', 'is NULL');
    ELSIF NOT EXISTS (
        SELECT FROM public.access_codes AS c WHERE c.id = access_code_tickets.access_code_id AND c.deleted_at IS NULL
    ) THEN
        PERFORM oeventdb_internal.refuse_unknown('access_code', access_code_tickets.access_code_id);
    END IF;
    RETURN QUERY
    SELECT (oeventdb_internal.ticket_row(t.*)).*
    FROM public.access_codes_tickets AS l
    INNER JOIN public.tickets AS t ON t.id = l.ticket_id
    WHERE l.access_code_id = access_code_tickets.access_code_id AND t.deleted_at IS NULL
    ORDER BY t.position, t.id;
END
$function$;

COMMENT ON FUNCTION oeventdb.access_code_tickets(bigint) IS
'The tickets of an access code by position and id, hidden ones too; no row for a code without tickets.
Errors: OE404 no such access code; OE400 access_code_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.access_code_tickets(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/tickets/order_tickets.sql
-- The tickets that an order has lines for, hidden ones too.
CREATE OR REPLACE FUNCTION oeventdb.order_tickets(
    order_identifier text
) RETURNS SETOF oeventdb.ticket
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_order_id bigint;
BEGIN
    PERFORM oeventdb_internal.require_text('order_identifier', order_tickets.order_identifier);
    SELECT o.id INTO v_order_id FROM public.orders AS o WHERE o.identifier = order_tickets.order_identifier;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('order', order_tickets.order_identifier);
    END IF;
    RETURN QUERY
    SELECT (oeventdb_internal.ticket_row(t.*)).*
    FROM public.orders_tickets AS l
    INNER JOIN public.tickets AS t ON t.id = l.ticket_id
    WHERE l.order_id = v_order_id AND t.deleted_at IS NULL
    ORDER BY t.position, t.id;
END
$function$;

COMMENT ON FUNCTION oeventdb.order_tickets(text) IS
'The tickets of an order''s lines by position and id, hidden ones too; no row for an order without lines.
Errors: OE404 no such order; OE400 order_identifier NULL or blank.';

REVOKE ALL ON FUNCTION oeventdb.order_tickets(text) FROM PUBLIC;
-- <<<

-- The rule is on from the end of this; most of what was written meanwhile is looked at before anybody has to wait.
SELECT oeventdb_internal.look_at_discount_codes_again();

DO $$
BEGIN
    -- and once more until little is left: the more was written since, the longer all would have to wait, and this begins anew
    FOR v_turn IN 1 .. 20 LOOP
        EXIT WHEN oeventdb_internal.look_at_discount_codes_again() < 100;
    END LOOP;
    DROP TRIGGER IF EXISTS discount_code_meanwhile ON public.discount_codes;
    PERFORM oeventdb_internal.look_at_discount_codes_again();
    CREATE OR REPLACE TRIGGER discount_code_definition
        BEFORE INSERT OR UPDATE OF code, event_id, type, value, used_for, is_duplicate, is_legacy, tickets_number, min_quantity,
            max_quantity, valid_from, valid_till
        ON public.discount_codes
        FOR EACH ROW EXECUTE FUNCTION oeventdb_internal.discount_code_definition();
    CREATE OR REPLACE TRIGGER ticket_discount
        BEFORE INSERT OR UPDATE OF discount_code_id, event_id, price ON public.tickets
        FOR EACH ROW WHEN (NEW.discount_code_id IS NOT NULL)
        EXECUTE FUNCTION oeventdb_internal.ticket_discount();
END
$$;

DROP FUNCTION IF EXISTS oeventdb_internal.discount_code_meanwhile();

DROP FUNCTION IF EXISTS oeventdb_internal.look_at_discount_codes_again();

DROP TABLE IF EXISTS oeventdb_internal.discount_codes_meanwhile;
