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
    v_columns text;
BEGIN
    -- a holder gets whatever admission is free, and the event of its ticket, whatever event it named before
    IF restore_row.table_name = 'ticket_holders' THEN
        SELECT v_row - 'admission_no' || pg_catalog.jsonb_build_object('event_id', t.event_id) INTO v_row
        FROM public.tickets AS t
        WHERE t.id = (v_row ->> 'ticket_id')::bigint;
        v_row := COALESCE(v_row, restore_row.old_row - 'admission_no');
    END IF;

    -- columns that are newer than the old row keep their defaults
    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ') INTO v_columns
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = pg_catalog.format('public.%I', restore_row.table_name)::pg_catalog.regclass
        AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        AND v_row ? a.attname::text;

    EXECUTE pg_catalog.format(
        'INSERT INTO public.%1$I (%2$s) OVERRIDING SYSTEM VALUE'
        ' SELECT %2$s FROM pg_catalog.jsonb_populate_record(NULL::public.%1$I, $1)',
        restore_row.table_name, v_columns
    ) USING v_row;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.restore_row(text, jsonb) IS
'Inserts an old row into a table of schema public, its id included. Errors: those of the rules and constraints of the table, e.g. OE101.';

REVOKE ALL ON FUNCTION oeventdb_internal.restore_row(text, jsonb) FROM PUBLIC;
