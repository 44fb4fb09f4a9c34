-- A row that a migration removed is inserted as it was; what has become the rules' own business is left to them.
CREATE OR REPLACE FUNCTION oeventdb_internal.restore_row(
    table_name text,
    old_row jsonb
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_row jsonb := restore_row.old_row;
BEGIN
    -- a holder gets whatever admission is free, and the event of its ticket, whatever event it named before
    IF restore_row.table_name = 'ticket_holders' THEN
        SELECT v_row - 'admission_no' || pg_catalog.jsonb_build_object('event_id', t.event_id) INTO v_row
        FROM public.tickets AS t
        WHERE t.id = (v_row ->> 'ticket_id')::bigint;
        v_row := COALESCE(v_row, restore_row.old_row - 'admission_no');
        -- as the migration does with those who stay: a rollback gives the old event back
        INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
        SELECT
            '0005.ticket-holders', restore_row.table_name, v_row ->> 'id', restore_row.old_row,
            oeventdb_internal.event_correction((restore_row.old_row ->> 'event_id')::bigint)
        WHERE restore_row.old_row -> 'event_id' <> v_row -> 'event_id';
    END IF;

    PERFORM oeventdb_internal.insert_old_row(oeventdb_internal.journaled_table(restore_row.table_name), v_row);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.restore_row(text, jsonb) IS
'Inserts a row that a migration removed, its id included, and journals the event of a holder that is not its ticket''s.
Errors: those of the rules and constraints of the table, e.g. OE101.';

REVOKE ALL ON FUNCTION oeventdb_internal.restore_row(text, jsonb) FROM PUBLIC;
