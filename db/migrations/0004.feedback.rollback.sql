-- Lets a user give any number of feedbacks again; the sessions that were named since go to the journal.

-- >>> db/procedures/ratings/submit_feedback.sql
DROP FUNCTION oeventdb.submit_feedback(bigint, bigint, text, text, bigint);
-- <<<

-- >>> db/procedures/ratings/event_rating.sql
DROP FUNCTION oeventdb.event_rating(bigint);
-- <<<

DROP TRIGGER feedback_superseded ON public.feedback;

-- >>> db/procedures/ratings/feedback_superseded.sql
DROP FUNCTION oeventdb_internal.feedback_superseded();
-- <<<

DROP TYPE oeventdb.feedback;

DROP TYPE oeventdb.event_rating;

DROP INDEX public.feedback_user_event;

DROP INDEX public.feedback_user_session;

DROP INDEX public.feedback_event_rating;

-- Feedback on a session says so nowhere else once the column is gone.
INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
SELECT '0004.feedback', 'feedback', f.id::text, pg_catalog.to_jsonb(f.*), 'session named since the migration'
FROM public.feedback AS f
WHERE f.session_id IS NOT NULL;

ALTER TABLE public.feedback DROP COLUMN session_id, DROP COLUMN is_superseded;

-- >>> db/procedures/internal/require_user.sql
DROP FUNCTION oeventdb_internal.require_user(bigint);
-- <<<

-- >>> db/procedures/internal/require_event.sql
DROP FUNCTION oeventdb_internal.require_event(bigint);
-- <<<

-- >>> db/procedures/internal/refuse_unknown.sql
DROP FUNCTION oeventdb_internal.refuse_unknown(text, anyelement);
-- <<<

-- >>> db/procedures/internal/refuse_argument.sql
DROP FUNCTION oeventdb_internal.refuse_argument(text, text);
-- <<<
