-- Gives every feedback its text back, letter for letter; what was rated since keeps its number as text, what cannot be put back stays journaled.

-- what the migration has journaled may not have been analyzed yet, and would be looked for row by row
ANALYZE oeventdb_internal.journal;

SELECT oeventdb_internal.require_no_dependents(
    'public.feedback', 'rating', 'Drop that, roll back, and create it again: the rating will be a text.'
);

LOCK TABLE public.feedback IN ACCESS EXCLUSIVE MODE;

DROP TRIGGER feedback_rating ON public.feedback;

ALTER TABLE public.feedback DROP CONSTRAINT feedback_rating_half_stars;

-- before the table is written anew: afterwards every row would be one of this transaction, whose foreign keys are asked for with each update, and old
-- rows may refer to what is gone
ALTER TABLE public.feedback ADD COLUMN rating_text varchar;

WITH restored AS (
    UPDATE public.feedback AS f SET rating_text = j.old_row ->> 'rating'
    FROM oeventdb_internal.journal AS j
    WHERE j.migration = '0003.ratings' AND j.table_name = 'feedback' AND j.key = f.id::text
        AND j.reason IN ('rating unreadable or out of range', 'rating rounded or spelled otherwise') AND j.restored_at IS NULL
        AND j.old_row ? 'rating'
        AND f.rating = COALESCE(oeventdb_internal.half_stars(j.old_row ->> 'rating'), 0)
    RETURNING j.id
)
DELETE FROM oeventdb_internal.journal AS j USING restored AS r WHERE j.id = r.id;

-- another rating was given since: on the next way down these say nothing of what is there then
UPDATE oeventdb_internal.journal AS j SET reason = pg_catalog.format('%s, kept by a rollback', j.reason)
WHERE j.migration = '0003.ratings' AND j.table_name = 'feedback' AND j.restored_at IS NULL
    AND j.reason IN ('rating unreadable or out of range', 'rating rounded or spelled otherwise');

ALTER TABLE public.feedback ALTER COLUMN rating TYPE varchar USING COALESCE(rating_text, rating::text);

ALTER TABLE public.feedback DROP COLUMN rating_text;

SELECT oeventdb_internal.restore_column('0003.ratings');

-- >>> db/procedures/ratings/feedback_rating.sql
DROP FUNCTION oeventdb_internal.feedback_rating();
-- <<<

-- >>> db/procedures/ratings/update_rating.sql
DROP FUNCTION oeventdb.update_rating(text);
-- <<<

-- >>> db/procedures/internal/refuse_rating.sql
DROP FUNCTION oeventdb_internal.refuse_rating(text, text);
-- <<<

-- >>> db/procedures/internal/half_stars.sql
DROP FUNCTION oeventdb_internal.half_stars(text);
-- <<<

-- >>> db/procedures/internal/read_stars.sql
DROP FUNCTION oeventdb_internal.read_stars(text);
-- <<<
