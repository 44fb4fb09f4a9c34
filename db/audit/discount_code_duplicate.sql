-- A live discount code is unique in its event, whatever its case.
-- table: discount_codes
-- The keys are those of all but the oldest. The column deleted_at comes with the migrations: where it is missing,
-- its name means the NULL beside the table.
SELECT repeated.id::text AS key
FROM (
    SELECT
        live.id,
        row_number() OVER (PARTITION BY live.event_id, live.folded ORDER BY live.id) AS place
    FROM (SELECT NULL::timestamptz AS deleted_at) AS missing
    CROSS JOIN LATERAL (
        SELECT
            id,
            event_id,
            lower(lower(code COLLATE "C") COLLATE "default") AS folded
        FROM public.discount_codes
        WHERE event_id IS NOT NULL AND deleted_at IS NULL
    ) AS live
) AS repeated
WHERE repeated.place > 1
