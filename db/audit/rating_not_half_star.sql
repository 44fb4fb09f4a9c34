-- A rating counts in half stars.
-- table: feedback
-- Ratings that are no number from 0 to 5 at all are left to rating_unreadable.
SELECT checked.id::text AS key
FROM (
    SELECT feedback.id, btrim(feedback.rating::text, E' \t\n\r\f\x0B') AS rating
    FROM public.feedback
    WHERE feedback.rating::text <> ALL (
        ARRAY['0', '0.5', '1', '1.5', '2', '2.5', '3', '3.5', '4', '4.5', '5', '0.0', '1.0', '2.0', '3.0', '4.0', '5.0']
    )
) AS checked
WHERE CASE
    WHEN checked.rating !~ '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$' OR length(checked.rating) > 100
        THEN false
    WHEN checked.rating ~ '^[+-]?[0.]*([eE]|$)' OR checked.rating ~ '^-'
        THEN false
    WHEN checked.rating ~ '[eE][+-]?0*[1-9][0-9]{3}'
        THEN checked.rating ~ '[eE]-'
    ELSE checked.rating::numeric <= 5 AND checked.rating::numeric % 0.5 <> 0
END
