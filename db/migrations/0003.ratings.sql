-- feedback.rating becomes a number of half stars with a CHECK, while the table stays in use.
-- transactional: false
-- depends: 0002.foundations

DO $$
BEGIN
    -- the text, not the number that replaces it
    IF EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'public.feedback'::regclass AND a.attname = 'rating' AND a.atttypid <> 'pg_catalog.numeric'::regtype
    ) THEN
        PERFORM oeventdb_internal.require_no_dependents(
            'public.feedback', 'rating', 'Drop that, migrate, and create it again: the rating will be a number.'
        );
    END IF;
END
$$;

-- What the batches and the triggers below call.

-- >>> db/procedures/internal/read_stars.sql
-- A plain decimal number from 0 to 5 is read as half stars, halves rounded away from zero; NULL says that the text is none.
CREATE OR REPLACE FUNCTION oeventdb_internal.read_stars(
    rating text
) RETURNS numeric
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_text text := pg_catalog.btrim(read_stars.rating, E' \t\n\r\f\x0B');
    v_parts text[];
    v_value numeric;
BEGIN
    IF v_text IS NULL OR pg_catalog.length(v_text) > 100 THEN
        RETURN NULL;
    END IF;

    -- not left to the cast: since PostgreSQL 16 it also takes '0x4' and '4_0', and it raises on '1e-400000'
    v_parts := pg_catalog.regexp_match(
        v_text, '^([+-]?)([0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE]([+-]?)0*([0-9]+))?$'
    );
    IF v_parts IS NULL THEN
        RETURN NULL;
    END IF;

    IF v_parts[2] !~ '[1-9]' THEN
        RETURN 0;
    ELSIF v_parts[1] = '-' THEN
        RETURN NULL;
    ELSIF pg_catalog.length(v_parts[4]) > 4 THEN
        -- with at most 100 characters before it, such an exponent leaves nothing or far too much
        RETURN CASE WHEN v_parts[3] = '-' THEN 0 END;
    END IF;

    v_value := v_text::numeric;
    IF v_value > 5 THEN
        RETURN NULL;
    ELSIF v_value * 2 = pg_catalog.trunc(v_value * 2) THEN
        -- as it was spelled: numeric remembers 4.50, so rolling the migration back needs no journal for it
        RETURN v_value;
    END IF;
    RETURN pg_catalog.round(v_value * 2) * 0.5;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.read_stars(text) IS
'Half stars from 0 to 5, or NULL for a text that is no plain decimal number in that range. Never raises; the same on every server version.';

REVOKE ALL ON FUNCTION oeventdb_internal.read_stars(text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/half_stars.sql
-- The usual spellings of a rating are told at once, every other text is read with care: millions of rows pass through here.
-- In "C": by the collation of the caller's text other characters may be equal to digits, or no pattern may be matched at all.
-- SQL without SET search_path, so that it is inlined into the batches of the migration; every name in it is qualified.
CREATE OR REPLACE FUNCTION oeventdb_internal.half_stars(
    rating text
) RETURNS numeric
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $function$
    SELECT CASE
        WHEN half_stars.rating COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) ANY (
            ARRAY['0', '0.5', '1', '1.5', '2', '2.5', '3', '3.5', '4', '4.5', '5', '0.0', '1.0', '2.0', '3.0', '4.0', '5.0']
        ) THEN half_stars.rating::numeric
        ELSE oeventdb_internal.read_stars(half_stars.rating COLLATE pg_catalog."C")
    END
$function$;

COMMENT ON FUNCTION oeventdb_internal.half_stars(text) IS
'The same answer as read_stars, sooner for the usual spellings.';

REVOKE ALL ON FUNCTION oeventdb_internal.half_stars(text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/refuse_rating.sql
-- A rating that is no number of stars is refused in one wording, whichever door it came through.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_rating(
    rating text,
    hint text DEFAULT 'Give the stars as a decimal number from 0 to 5; it is rounded to half stars.'
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE501',
        pg_catalog.format(
            'rating %s is no number from 0 to 5',
            COALESCE(pg_catalog.quote_literal(pg_catalog.left(refuse_rating.rating, 40)), 'NULL')
        ),
        pg_catalog.jsonb_build_object('rating', pg_catalog.left(refuse_rating.rating, 40)),
        refuse_rating.hint
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_rating(text, text) IS
'Raises OE501 (rating_invalid) with the first 40 characters of the rating.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_rating(text, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/ratings/update_rating.sql
-- Whatever text a rating comes as, it becomes a number of half stars from 0 to 5; what cannot be read, or is out of range, is 0.
CREATE OR REPLACE FUNCTION oeventdb.update_rating(
    rating text
) RETURNS numeric
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN pg_catalog.trim_scale(COALESCE(oeventdb_internal.half_stars(update_rating.rating), 0));
END
$function$;

COMMENT ON FUNCTION oeventdb.update_rating(text) IS
'The half-star value of a rating given as text: a plain decimal number (sign, ASCII digits, point, exponent; white space around it is trimmed)
from 0 to 5, rounded to the nearest half, halves away from zero. 0 for anything else: NULL, no number, out of range, or longer than 100 characters.
Never raises.';

REVOKE ALL ON FUNCTION oeventdb.update_rating(text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/ratings/feedback_rating.sql
-- New feedback is rounded to half stars, whoever writes it; a rating out of range is refused, never turned into 0.
CREATE OR REPLACE FUNCTION oeventdb_internal.feedback_rating() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NEW.rating IS NULL OR NOT NEW.rating BETWEEN 0 AND 5 THEN
        PERFORM oeventdb_internal.refuse_rating(NEW.rating::text);
    END IF;
    NEW.rating := pg_catalog.round(NEW.rating * 2) * 0.5;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.feedback_rating() IS
'Trigger of public.feedback: rounds rating to half stars (0 to 5), raises OE501 for a rating that is NULL, NaN or out of range.';

REVOKE ALL ON FUNCTION oeventdb_internal.feedback_rating() FROM PUBLIC;
-- <<<

-- Until the columns are swapped, whatever is written to a row is written to both.
CREATE OR REPLACE FUNCTION oeventdb_internal.feedback_in_step() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_stars numeric := oeventdb_internal.half_stars(NEW.rating);
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.rating = OLD.rating THEN
        UPDATE public.feedback AS f SET rating_half_stars = COALESCE(v_stars, 0)
        WHERE f.id = NEW.id AND f.rating_half_stars::text <> COALESCE(v_stars, 0)::text;
        RETURN NULL;
    END IF;
    IF v_stars IS NULL THEN
        PERFORM oeventdb_internal.refuse_rating(NEW.rating);
    END IF;
    IF TG_OP = 'UPDATE' THEN
        UPDATE public.feedback AS f SET rating = v_stars::text, rating_half_stars = v_stars WHERE f.id = NEW.id;
        RETURN NULL;
    END IF;
    NEW.rating := v_stars::text;
    NEW.rating_half_stars := v_stars;
    RETURN NEW;
END
$function$;

-- Whether there is still work: the text has not yet been replaced.
CREATE OR REPLACE FUNCTION oeventdb_internal.rating_is_text() RETURNS boolean
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT a.atttypid <> 'pg_catalog.numeric'::pg_catalog.regtype FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = 'public.feedback'::pg_catalog.regclass AND a.attname = 'rating' AND NOT a.attisdropped
$function$;

CREATE OR REPLACE FUNCTION oeventdb_internal.others_are_connected() RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- within a transaction it is always the same else
    PERFORM pg_catalog.pg_stat_clear_snapshot();
    RETURN EXISTS (
        SELECT FROM pg_catalog.pg_stat_activity AS a
        WHERE a.datname = pg_catalog.current_database() AND a.usename IS NOT NULL
            AND a.pid <> pg_catalog.pg_backend_pid() AND a.application_name NOT LIKE 'oeventdb%'
    );
END
$function$;

-- Where somebody else is connected, the new column appears at once, whatever the size of the table. Many rows usually share one rating: it is the
-- default that the existing rows are given for nothing, so that only the others have to be written, in the batches below.
-- Where nobody is, the table is written anew in one go, several times faster. Should somebody come meanwhile, this is undone: by a snapshot from
-- before the end the table would be empty, for pg_dump as well. It is tried once, or those who come for a moment each time could undo it for ever.
-- That it was tried, only a sequence remembers when all else is undone.
CREATE SEQUENCE IF NOT EXISTS oeventdb_internal.feedback_rewrites;

DO $$
DECLARE
    v_usual numeric;
BEGIN
    IF NOT oeventdb_internal.rating_is_text() OR EXISTS (
        SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = 'public.feedback'::regclass AND tgname = 'feedback_in_step'
    ) THEN
        RETURN;
    ELSIF oeventdb_internal.others_are_connected() OR (SELECT r.is_called FROM oeventdb_internal.feedback_rewrites AS r) THEN
        SELECT oeventdb_internal.half_stars(s.rating) INTO v_usual
        FROM (SELECT f.rating FROM public.feedback AS f LIMIT 10000) AS s
        GROUP BY s.rating ORDER BY pg_catalog.count(*) DESC LIMIT 1;
        EXECUTE pg_catalog.format(
            'ALTER TABLE public.feedback ADD COLUMN rating_half_stars numeric NOT NULL DEFAULT %L',
            COALESCE(v_usual, 0)
        );
    ELSE
        LOCK TABLE public.feedback IN ACCESS EXCLUSIVE MODE;
        PERFORM pg_catalog.nextval('oeventdb_internal.feedback_rewrites');
        ALTER TABLE public.feedback
            ADD COLUMN rating_half_stars numeric NOT NULL
                GENERATED ALWAYS AS (COALESCE(oeventdb_internal.half_stars(rating), 0)) STORED,
            ADD CONSTRAINT feedback_rating_half_stars CHECK (
                rating_half_stars >= 0 AND rating_half_stars <= 5 AND rating_half_stars * 2 = trunc(rating_half_stars * 2)
            );
        ALTER TABLE public.feedback ALTER COLUMN rating_half_stars DROP EXPRESSION;
        IF oeventdb_internal.others_are_connected() THEN
            RAISE EXCEPTION 'somebody has connected while public.feedback was written anew' USING ERRCODE = 'serialization_failure';
        END IF;
        INSERT INTO oeventdb_internal.progress (task, done, total, unit) VALUES ('0003.ratings: convert', 1, 1, 'table');
    END IF;
    CREATE TRIGGER feedback_in_step BEFORE INSERT ON public.feedback
        FOR EACH ROW EXECUTE FUNCTION oeventdb_internal.feedback_in_step();
    -- after, not before: a BEFORE UPDATE trigger would have every row of the batches below locked first, at the price of another update
    CREATE TRIGGER feedback_in_step_update AFTER UPDATE ON public.feedback
        FOR EACH ROW
        WHEN (
            (NEW.rating <> OLD.rating OR NEW.rating_half_stars = OLD.rating_half_stars)
            AND NEW.rating <> NEW.rating_half_stars::text
        )
        EXECUTE FUNCTION oeventdb_internal.feedback_in_step();
END
$$;

-- Every text that its number would not give back letter for letter is journaled, before anything can change it: one statement, which keeps nobody
-- waiting, and its mark. The usual spellings, nearly all, are passed by at the least cost.
DO $$
BEGIN
    IF oeventdb_internal.rating_is_text() AND NOT EXISTS (
        SELECT FROM oeventdb_internal.progress AS p WHERE p.task = '0003.ratings: journal'
    ) THEN
        INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
        SELECT
            '0003.ratings', 'feedback', (s.was).id::text,
            pg_catalog.to_jsonb(s.was) - 'rating_half_stars',
            CASE WHEN s.stars IS NULL THEN 'rating unreadable or out of range' ELSE 'rating rounded or spelled otherwise' END
        FROM (
            SELECT f.*::public.feedback AS was, oeventdb_internal.half_stars(f.rating) AS stars FROM public.feedback AS f
            WHERE f.rating <> ALL (
                ARRAY['0', '0.5', '1', '1.5', '2', '2.5', '3', '3.5', '4', '4.5', '5', '0.0', '1.0', '2.0', '3.0', '4.0', '5.0']
            )
            OFFSET 0 -- or half_stars would be called for each mention of stars
        ) AS s
        WHERE s.stars IS NULL OR s.stars::text <> (s.was).rating;
        INSERT INTO oeventdb_internal.progress (task, done, total, unit) VALUES ('0003.ratings: journal', 1, 1, 'table');
    END IF;
END
$$;

-- The rows are written in stretches of pages, each in eight turns: what one turn leaves behind makes room for the next on the same page, so the
-- table and its index hardly grow and most updates touch no index. A row that is moved by somebody else has been through the trigger.
CREATE OR REPLACE PROCEDURE oeventdb_internal.fill_ratings()
LANGUAGE plpgsql
AS $procedure$
DECLARE
    v_task CONSTANT text := '0003.ratings: convert';
    v_turns CONSTANT integer := 8;
    v_pages CONSTANT integer := 500;
    v_usual text;
    v_unit text;
    v_now text;
    v_done bigint;
    v_total bigint;
    v_failures integer := 0;
BEGIN
    SET LOCAL search_path = pg_catalog, pg_temp;
    IF NOT oeventdb_internal.rating_is_text() THEN
        RETURN;
    END IF;
    SELECT (a.attmissingval::text::text[])[1] INTO v_usual FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = 'public.feedback'::pg_catalog.regclass AND a.attname = 'rating_half_stars';
    INSERT INTO oeventdb_internal.progress (task, done, total, unit) VALUES (v_task, 0, 0, 'batches')
    ON CONFLICT (task) DO NOTHING;
    COMMIT;
    SET LOCAL search_path = pg_catalog, pg_temp;
    LOOP
        PERFORM pg_catalog.set_config('synchronous_commit', 'off', true);
        PERFORM pg_catalog.set_config('lock_timeout', '300ms', true);
        BEGIN
            SELECT p.done, p.total, p.unit INTO v_done, v_total, v_unit FROM oeventdb_internal.progress AS p WHERE p.task = v_task FOR UPDATE;
            -- what writes the table anew, as VACUUM FULL does, puts rows on pages that were done already: then all of them again
            v_now := pg_catalog.format('batches of file %s', pg_catalog.pg_relation_filenode('public.feedback'));
            IF v_unit <> ALL (ARRAY['table', v_now]) THEN
                v_done := 0;
                UPDATE oeventdb_internal.progress AS p SET unit = v_now, total = v_turns * pg_catalog.ceil(
                    pg_catalog.pg_relation_size('public.feedback') / (pg_catalog.current_setting('block_size')::numeric * v_pages)
                )
                WHERE p.task = v_task
                RETURNING p.total INTO v_total;
            END IF;
            EXIT WHEN v_done >= v_total;
            UPDATE public.feedback AS f SET rating_half_stars = COALESCE(oeventdb_internal.half_stars(f.rating), 0)
            WHERE f.ctid >= pg_catalog.format('(%s,0)', v_done / v_turns * v_pages)::tid
                AND f.ctid < pg_catalog.format('(%s,0)', (v_done / v_turns + 1) * v_pages)::tid
                AND pg_catalog.hashint8(f.id) & (v_turns - 1) = v_done % v_turns
                AND f.rating IS DISTINCT FROM v_usual;
            UPDATE oeventdb_internal.progress SET done = v_done + 1, updated_at = pg_catalog.now() WHERE task = v_task;
            v_failures := 0;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            -- somebody holds one of these rows: let go of the others before trying again
            v_failures := v_failures + 1;
            IF v_failures > 1000 THEN
                RAISE;
            END IF;
        END;
        COMMIT;
        SET LOCAL search_path = pg_catalog, pg_temp;
        PERFORM pg_catalog.pg_sleep(LEAST(v_failures, 10) * 0.02);
    END LOOP;
    COMMIT;
END
$procedure$;

CALL oeventdb_internal.fill_ratings();

DO $$
BEGIN
    IF oeventdb_internal.rating_is_text() AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint
        WHERE conrelid = 'public.feedback'::regclass AND conname = 'feedback_rating_half_stars'
    ) THEN
        ALTER TABLE public.feedback ADD CONSTRAINT feedback_rating_half_stars CHECK (
            rating_half_stars >= 0 AND rating_half_stars <= 5 AND rating_half_stars * 2 = trunc(rating_half_stars * 2)
        ) NOT VALID;
    END IF;
END
$$;

ALTER TABLE public.feedback VALIDATE CONSTRAINT feedback_rating_half_stars;

-- Who reads by a snapshot from before the batches would find the usual rating in rows of others. No index is needed: what builds one waits until
-- such transactions have ended. One that was killed at it has left it behind, and waits again.
DROP INDEX CONCURRENTLY IF EXISTS oeventdb_internal.progress_done;

CREATE INDEX CONCURRENTLY IF NOT EXISTS progress_done ON oeventdb_internal.progress (done);

DROP INDEX CONCURRENTLY IF EXISTS oeventdb_internal.progress_done;

-- The swap, in one short transaction: from here on the column is the number.
DO $$
DECLARE
    v_kept text[];
    v_not_null text;
BEGIN
    IF oeventdb_internal.rating_is_text() THEN
        LOCK TABLE public.feedback IN ACCESS EXCLUSIVE MODE;
        -- what is said of the text holds for the number; what was made for the text cannot be made for it
        v_kept := ARRAY(
            SELECT s.statement FROM oeventdb_internal.column_statements('public.feedback', 'rating') AS s
            WHERE s.kind IN ('comment', 'privilege')
        );
        PERFORM oeventdb_internal.journal_column(
            '0003.ratings', 'public.feedback', 'rating', ARRAY['type', 'index', 'constraint', 'statistics', 'default']
        );
        DROP TRIGGER feedback_in_step ON public.feedback;
        DROP TRIGGER feedback_in_step_update ON public.feedback;
        SELECT c.conname INTO v_not_null FROM pg_catalog.pg_constraint AS c
        INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
        WHERE c.conrelid = 'public.feedback'::regclass AND c.contype = 'n' AND a.attname = 'rating';
        ALTER TABLE public.feedback DROP COLUMN rating;
        ALTER TABLE public.feedback RENAME COLUMN rating_half_stars TO rating;
        IF v_not_null IS NOT NULL THEN
            -- since PostgreSQL 18 NOT NULL is a constraint with a name: it keeps the old one
            EXECUTE (
                SELECT pg_catalog.format('ALTER TABLE public.feedback RENAME CONSTRAINT %I TO %I', c.conname, v_not_null)
                FROM pg_catalog.pg_constraint AS c
                INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
                WHERE c.conrelid = 'public.feedback'::regclass AND c.contype = 'n' AND a.attname = 'rating'
            );
        END IF;
        ALTER TABLE public.feedback ALTER COLUMN rating DROP DEFAULT;
        FOR v_place IN 1 .. pg_catalog.cardinality(v_kept) LOOP
            EXECUTE v_kept[v_place];
        END LOOP;
        CREATE TRIGGER feedback_rating BEFORE INSERT OR UPDATE OF rating ON public.feedback
            FOR EACH ROW
            WHEN (NOT (NEW.rating >= 0 AND NEW.rating <= 5 AND NEW.rating * 2 = trunc(NEW.rating * 2)) IS TRUE)
            EXECUTE FUNCTION oeventdb_internal.feedback_rating();
    END IF;
END
$$;

-- What only this migration needed.
DROP PROCEDURE IF EXISTS oeventdb_internal.fill_ratings();

DROP FUNCTION IF EXISTS oeventdb_internal.feedback_in_step();

DROP FUNCTION IF EXISTS oeventdb_internal.others_are_connected();

DROP FUNCTION IF EXISTS oeventdb_internal.rating_is_text();

DROP SEQUENCE IF EXISTS oeventdb_internal.feedback_rewrites;

DELETE FROM oeventdb_internal.progress WHERE task LIKE '0003.ratings: %';
