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
