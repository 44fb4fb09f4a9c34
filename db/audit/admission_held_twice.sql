-- An admission of a ticket is held by one holder.
-- table: ticket_holders
-- The keys are those of the later holders. The column admission_no comes with the migrations: where it is missing, its
-- name means the NULL beside the table, and nothing is found.
SELECT holder.id::text AS key
FROM (
    SELECT
        held.id,
        row_number() OVER (PARTITION BY held.ticket_id, held.event_id, held.admission_no ORDER BY held.id) AS place
    FROM (SELECT NULL::integer AS admission_no) AS missing
    CROSS JOIN LATERAL (
        SELECT id, ticket_id, event_id, admission_no
        FROM public.ticket_holders
        WHERE admission_no IS NOT NULL
    ) AS held
) AS holder
WHERE holder.place > 1
