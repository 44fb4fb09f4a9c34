-- A user reviews an event once; of several reviews the newest counts.
-- table: feedback
-- The keys are those of the older reviews. The migrations mark these as superseded, and let sessions be reviewed, too:
-- where these columns are missing, their names mean the values beside the table.
SELECT ranked.id::text AS key
FROM (
    SELECT
        counted.id,
        max(counted.id) OVER (PARTITION BY counted.user_id, counted.event_id) AS newest_id
    FROM (SELECT false AS is_superseded, NULL::bigint AS session_id) AS missing
    CROSS JOIN LATERAL (
        SELECT id, user_id, event_id
        FROM public.feedback
        WHERE user_id IS NOT NULL AND event_id IS NOT NULL AND session_id IS NULL AND NOT is_superseded
    ) AS counted
) AS ranked
WHERE ranked.id < ranked.newest_id
