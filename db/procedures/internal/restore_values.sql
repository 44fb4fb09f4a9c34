-- Values that a migration changed are put back into their row; a rule that would change them again refuses them instead.
CREATE OR REPLACE FUNCTION oeventdb_internal.restore_values(
    table_name text,
    current_row jsonb,
    old_row jsonb,
    reason text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_old jsonb := restore_values.old_row;
    v_columns text[];
    v_assignments text;
    v_restored jsonb;
    v_was jsonb;
BEGIN
    -- only what the migrations change, or a rollback had no place for: an application may have changed the rest of the row for good reason
    v_columns := CASE
        WHEN restore_values.reason LIKE '%deleted since the migration' THEN ARRAY['deleted_at']
        WHEN restore_values.reason = 'session named since the migration' THEN ARRAY['session_id']
        WHEN restore_values.reason = 'checked in since the migration' THEN ARRAY['checked_in_at']
        WHEN restore_values.reason = 'order placed since the migration'
            THEN ARRAY['email', 'currency', 'expires_at', 'discount_seats', 'access_code_id', 'access_seats']
        WHEN restore_values.table_name = 'feedback' THEN ARRAY['rating']
        WHEN restore_values.table_name = 'ticket_holders' THEN ARRAY['event_id']
        WHEN restore_values.table_name = 'discount_codes' THEN ARRAY['tickets']
        ELSE ARRAY(SELECT o.key FROM pg_catalog.jsonb_each(v_old) AS o WHERE o.key <> 'id')
    END;

    IF 'rating' = ANY (v_columns) THEN
        PERFORM oeventdb_internal.require_half_stars(v_old ->> 'rating');
        v_old := v_old || pg_catalog.jsonb_build_object('rating', oeventdb_internal.read_stars(v_old ->> 'rating'));
    END IF;

    SELECT pg_catalog.array_agg(c.name) INTO v_columns
    FROM pg_catalog.unnest(v_columns) AS c (name)
    WHERE restore_values.current_row ? c.name AND v_old ? c.name
        AND restore_values.current_row -> c.name IS DISTINCT FROM v_old -> c.name
        -- in a column that has come again there is nothing yet, or something newer
        AND (restore_values.reason NOT LIKE '%since the migration' OR restore_values.current_row ->> c.name IS NULL);
    IF v_columns IS NULL THEN
        PERFORM oeventdb_internal.refuse_restoring(
            'has nothing to put back: the row has that value already, or the column is gone',
            'A rollback gives the old value back as it was written.'
        );
    END IF;

    SELECT pg_catalog.string_agg(pg_catalog.format('%1$I = was.%1$I', c.name), ', ') INTO v_assignments
    FROM pg_catalog.unnest(v_columns) AS c (name);
    EXECUTE pg_catalog.format(
        'UPDATE public.%1$I AS t SET %2$s FROM pg_catalog.jsonb_populate_record(NULL::public.%1$I, $1) AS was'
        ' WHERE t.id = was.id RETURNING pg_catalog.to_jsonb(t.*), pg_catalog.to_jsonb(was.*)',
        restore_values.table_name, v_assignments
    ) INTO v_restored, v_was USING v_old;

    IF EXISTS (
        SELECT FROM pg_catalog.unnest(v_columns) AS c (name)
        -- both as this session spells them: the entry may have times of another time zone
        WHERE v_restored -> c.name IS DISTINCT FROM v_was -> c.name
    ) THEN
        PERFORM oeventdb_internal.refuse_restoring(
            pg_catalog.format('has values that the rules of %s change again', restore_values.table_name),
            'Nothing is left to do: the row is as the rules have it. A rollback gives the old value back.'
        );
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.restore_values(text, jsonb, jsonb, text) IS
'Updates a row of schema public to the values it had: rating of feedback, event_id of ticket_holders, tickets of discount_codes, else all;
after a rollback, by the reason, those of the columns that it dropped and that are NULL.
Errors: those of the rules of the table; OE400 where nothing differs or a trigger changed the value on its way; OE501 for a rating.';

REVOKE ALL ON FUNCTION oeventdb_internal.restore_values(text, jsonb, jsonb, text) FROM PUBLIC;
