-- A rating is a plain decimal number from 0 to 5.
-- table: feedback
-- White space around it is trimmed and 100 characters are the most it may have. Exponents of more than three
-- digits are never cast, as numeric refuses them: below zero they leave nothing, above zero they exceed 5.
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
        THEN true
    WHEN checked.rating ~ '^[+-]?[0.]*([eE]|$)'
        THEN false
    WHEN checked.rating ~ '^-'
        THEN true
    WHEN checked.rating ~ '[eE][+-]?0*[1-9][0-9]{3}'
        THEN checked.rating !~ '[eE]-'
    ELSE checked.rating::numeric > 5
END
