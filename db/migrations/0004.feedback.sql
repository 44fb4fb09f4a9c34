-- A user has one feedback for an event, and one for each of its sessions: of older duplicates the newest counts, new ones meet a constraint.
-- transactional: false
-- depends: 0003.ratings

ALTER TABLE public.feedback
    ADD COLUMN IF NOT EXISTS session_id bigint,
    ADD COLUMN IF NOT EXISTS is_superseded boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN public.feedback.session_id IS
'The session of the event that the feedback is about; NULL for the event as a whole.';

COMMENT ON COLUMN public.feedback.is_superseded IS
'Older than another feedback by the same user for the same event, from before one was the rule: it is kept and does not count.';

-- Until the unique index stands, the last of the feedbacks by one user supersedes the others. Two inserts for one user and event must queue, or
-- neither would see the other: at a row, as they will at the index. Advisory locks would be too many for the server where thousands are written at once.
CREATE TABLE IF NOT EXISTS oeventdb_internal.feedback_meanwhile (
    user_id bigint NOT NULL,
    event_id bigint NOT NULL,
    PRIMARY KEY (user_id, event_id)
);

CREATE OR REPLACE FUNCTION oeventdb_internal.feedback_supersede() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO oeventdb_internal.feedback_meanwhile (user_id, event_id) VALUES (NEW.user_id, NEW.event_id)
    ON CONFLICT (user_id, event_id) DO UPDATE SET user_id = EXCLUDED.user_id;
    UPDATE public.feedback AS f SET is_superseded = true
    WHERE f.user_id = NEW.user_id AND f.event_id = NEW.event_id AND NOT f.is_superseded AND f.id < (
        SELECT pg_catalog.max(l.id) FROM public.feedback AS l WHERE l.user_id = NEW.user_id AND l.event_id = NEW.event_id
    );
    RETURN NULL;
END
$function$;

-- One feedback by a user for an event: older ones stay as they are, marked as superseded.
SELECT oeventdb_internal.drop_unfinished_index('feedback_user_event_all');

CREATE INDEX CONCURRENTLY IF NOT EXISTS feedback_user_event_all ON public.feedback (user_id, event_id, id);

DO $$
BEGIN
    IF pg_catalog.to_regclass('public.feedback_user_event') IS NULL THEN
        CREATE OR REPLACE TRIGGER feedback_supersede AFTER INSERT OR UPDATE OF user_id, event_id ON public.feedback
            -- who says nothing of the one or the other takes nobody's place
            FOR EACH ROW WHEN (NEW.user_id IS NOT NULL AND NEW.event_id IS NOT NULL)
            EXECUTE FUNCTION oeventdb_internal.feedback_supersede();
    END IF;
END
$$;

CREATE OR REPLACE PROCEDURE oeventdb_internal.supersede_feedback()
LANGUAGE plpgsql
AS $procedure$
DECLARE
    v_batch record;
    v_failures integer := 0;
BEGIN
    SET LOCAL search_path = pg_catalog, pg_temp;
    FOR v_batch IN
        SELECT pg_catalog.array_agg(s.id) AS ids
        FROM (
            SELECT f.id, pg_catalog.row_number() OVER (PARTITION BY f.user_id, f.event_id ORDER BY f.id DESC) AS place
            FROM public.feedback AS f
            WHERE f.user_id IS NOT NULL AND f.event_id IS NOT NULL
        ) AS s
        WHERE s.place > 1
        GROUP BY s.id / 5000
    LOOP
        LOOP
            PERFORM pg_catalog.set_config('lock_timeout', '300ms', true);
            BEGIN
                UPDATE public.feedback AS f SET is_superseded = true
                WHERE f.id = ANY (v_batch.ids) AND NOT f.is_superseded
                    -- as it is by now: it may be of another event, or the newer one gone; the end of the index tells,
                    -- while a join would compare all of one user for an event with each other
                    AND f.id < (
                        SELECT pg_catalog.max(l.id) FROM public.feedback AS l WHERE l.user_id = f.user_id AND l.event_id = f.event_id
                    );
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
            EXIT WHEN v_failures = 0;
            PERFORM pg_catalog.pg_sleep(LEAST(v_failures, 10) * 0.02);
        END LOOP;
    END LOOP;
END
$procedure$;

CALL oeventdb_internal.supersede_feedback();

SELECT oeventdb_internal.drop_unfinished_index('feedback_user_event');

CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS feedback_user_event
    ON public.feedback (user_id, event_id) WHERE session_id IS NULL AND NOT is_superseded;

SELECT oeventdb_internal.drop_unfinished_index('feedback_user_session');

CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS feedback_user_session
    ON public.feedback (user_id, session_id) WHERE session_id IS NOT NULL AND NOT is_superseded;

-- the trigger first: without the index each insert would read the whole table
DROP TRIGGER IF EXISTS feedback_supersede ON public.feedback;

DROP INDEX CONCURRENTLY IF EXISTS public.feedback_user_event_all;

SELECT oeventdb_internal.drop_unfinished_index('feedback_event_rating');

CREATE INDEX CONCURRENTLY IF NOT EXISTS feedback_event_rating
    ON public.feedback (event_id) INCLUDE (rating) WHERE session_id IS NULL AND NOT is_superseded;

-- >>> db/procedures/internal/refuse_argument.sql
-- An argument that cannot be meant is refused by name, in one wording.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_argument(
    argument text,
    reason text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE400',
        pg_catalog.format('%s %s', refuse_argument.argument, refuse_argument.reason),
        pg_catalog.jsonb_build_object('argument', refuse_argument.argument, 'reason', refuse_argument.reason),
        pg_catalog.format('Correct %s and call again; nothing was written.', refuse_argument.argument)
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_argument(text, text) IS
'Raises OE400 (invalid_argument) with the name of the argument and what is wrong with it.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_argument(text, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/refuse_unknown.sql
-- A row that does not exist, or is deleted, is refused in one wording.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_unknown(
    resource text,
    id anyelement
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE404',
        pg_catalog.format(
            '%s %s does not exist',
            pg_catalog.replace(refuse_unknown.resource COLLATE "C", '_', ' '), pg_catalog.left(refuse_unknown.id::text, 100)
        ),
        pg_catalog.jsonb_build_object(
            'resource', refuse_unknown.resource,
            'id', CASE WHEN pg_catalog.length(refuse_unknown.id::text) > 100
                THEN pg_catalog.to_jsonb(pg_catalog.left(refuse_unknown.id::text, 100))
                ELSE pg_catalog.to_jsonb(refuse_unknown.id) END
        ),
        'Check the id: the row may have been deleted.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_unknown(text, anyelement) IS
'Raises OE404 (not_found) with the kind of row and its id, of which a text of more than 100 characters is cut.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_unknown(text, anyelement) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/require_event.sql
-- A function that works on one event starts by making sure that the event exists.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_event(
    event_id bigint
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_event.event_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('event_id', 'is NULL');
    END IF;

    PERFORM FROM public.events AS t WHERE t.id = require_event.event_id AND t.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('event', require_event.event_id);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_event(bigint) IS
'Raises OE400 for NULL, OE404 for an unknown or deleted event.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_event(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/require_user.sql
-- A function that works on one user starts by making sure that the user exists.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_user(
    user_id bigint
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_user.user_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('user_id', 'is NULL');
    END IF;

    PERFORM FROM public.users AS t WHERE t.id = require_user.user_id AND t.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('user', require_user.user_id);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_user(bigint) IS
'Raises OE400 for NULL, OE404 for an unknown or deleted user.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_user(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/ratings/feedback_superseded.sql
-- Only the migration marks feedback as superseded: nobody adds a second voice by saying that it does not count.
CREATE OR REPLACE FUNCTION oeventdb_internal.feedback_superseded() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    NEW.is_superseded := TG_OP = 'UPDATE' AND OLD.is_superseded;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.feedback_superseded() IS
'Trigger of public.feedback, when a row is written as superseded: it stays what it was, and a new one is not superseded.';

REVOKE ALL ON FUNCTION oeventdb_internal.feedback_superseded() FROM PUBLIC;
-- <<<

CREATE OR REPLACE TRIGGER feedback_superseded BEFORE INSERT OR UPDATE OF is_superseded ON public.feedback
    FOR EACH ROW WHEN (NEW.is_superseded)
    EXECUTE FUNCTION oeventdb_internal.feedback_superseded();

-- The types of the rows that the functions return, and the functions.
DO $$
BEGIN
    IF pg_catalog.to_regtype('oeventdb.feedback') IS NULL THEN
        CREATE TYPE oeventdb.feedback AS (
            id bigint, event_id bigint, user_id bigint, session_id bigint, rating numeric, comment text
        );
        CREATE TYPE oeventdb.event_rating AS (event_id bigint, average numeric, count bigint);
        COMMENT ON TYPE oeventdb.feedback IS
        'What a user says of an event, or of one of its sessions: rating in half stars from 0 to 5, comment free text or NULL.';
        COMMENT ON TYPE oeventdb.event_rating IS
        'The average rating of an event (0 to 5, two decimals; NULL without feedback) and how many users gave one.';
    END IF;
END
$$;

-- >>> db/procedures/ratings/submit_feedback.sql
-- A user has one feedback for an event (and one for each of its sessions); giving it again replaces it.
CREATE OR REPLACE FUNCTION oeventdb.submit_feedback(
    event_id bigint,
    user_id bigint,
    rating text,
    comment text,
    session_id bigint DEFAULT NULL
) RETURNS SETOF oeventdb.feedback
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    v_rating numeric := oeventdb_internal.half_stars(submit_feedback.rating);
    v_feedback oeventdb.feedback;
BEGIN
    -- they stay until the feedback is written: a foreign key would say less of one that is being deleted
    PERFORM FROM public.events AS e WHERE e.id = submit_feedback.event_id FOR KEY SHARE;
    PERFORM FROM public.users AS u WHERE u.id = submit_feedback.user_id FOR KEY SHARE;
    PERFORM oeventdb_internal.require_event(submit_feedback.event_id);
    PERFORM oeventdb_internal.require_user(submit_feedback.user_id);
    IF v_rating IS NULL THEN
        PERFORM oeventdb_internal.refuse_rating(submit_feedback.rating);
    END IF;

    IF submit_feedback.session_id IS NULL THEN
        INSERT INTO public.feedback AS f (event_id, user_id, rating, comment)
        VALUES (submit_feedback.event_id, submit_feedback.user_id, v_rating, submit_feedback.comment)
        ON CONFLICT (user_id, event_id) WHERE session_id IS NULL AND NOT is_superseded
        DO UPDATE SET rating = EXCLUDED.rating, comment = EXCLUDED.comment
        RETURNING f.id, f.event_id, f.user_id, f.session_id, f.rating, f.comment INTO v_feedback;
    ELSE
        INSERT INTO public.feedback AS f (event_id, user_id, session_id, rating, comment)
        VALUES (
            submit_feedback.event_id, submit_feedback.user_id, submit_feedback.session_id, v_rating, submit_feedback.comment
        )
        ON CONFLICT (user_id, session_id) WHERE session_id IS NOT NULL AND NOT is_superseded
        DO UPDATE SET event_id = EXCLUDED.event_id, rating = EXCLUDED.rating, comment = EXCLUDED.comment
        RETURNING f.id, f.event_id, f.user_id, f.session_id, f.rating, f.comment INTO v_feedback;
    END IF;
    RETURN NEXT v_feedback;
END
$function$;

COMMENT ON FUNCTION oeventdb.submit_feedback(bigint, bigint, text, text, bigint) IS
'Records what a user says of an event, or of one of its sessions: rating in stars (0 to 5, rounded to halves), comment free text or NULL.
A second call by the same user for the same event, or session, replaces the first. Returns the feedback row.
Errors: OE404 no such event or user; OE400 event_id or user_id NULL; OE501 rating unreadable or out of range.';

REVOKE ALL ON FUNCTION oeventdb.submit_feedback(bigint, bigint, text, text, bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/ratings/event_rating.sql
-- An event's rating is the average of what its users say of it now: one voice each, sessions apart.
CREATE OR REPLACE FUNCTION oeventdb.event_rating(
    event_id bigint
) RETURNS SETOF oeventdb.event_rating
LANGUAGE plpgsql
STABLE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.require_event(event_rating.event_id);
    RETURN QUERY
    SELECT event_rating.event_id, pg_catalog.round(pg_catalog.avg(f.rating), 2), pg_catalog.count(*)
    FROM public.feedback AS f
    WHERE f.event_id = event_rating.event_id AND f.session_id IS NULL AND NOT f.is_superseded;
END
$function$;

COMMENT ON FUNCTION oeventdb.event_rating(bigint) IS
'One row: the event''s id, the average of its ratings (0 to 5, two decimals; NULL without feedback) and how many users gave one.
Counted from the rows themselves, so it is right at every moment and reviewers never queue. Feedback on sessions, and what the same user
said before, are left out. Errors: OE404 no such event; OE400 event_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.event_rating(bigint) FROM PUBLIC;
-- <<<

-- What only this migration needed.
DROP PROCEDURE IF EXISTS oeventdb_internal.supersede_feedback();

DROP FUNCTION IF EXISTS oeventdb_internal.feedback_supersede();

DROP TABLE IF EXISTS oeventdb_internal.feedback_meanwhile;
