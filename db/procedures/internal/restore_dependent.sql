-- A row that went with a removed one comes back with it; one that was only parted from it points at it again, unless it points elsewhere by now.
CREATE OR REPLACE FUNCTION oeventdb_internal.restore_dependent(
    table_name text,
    old_row jsonb,
    reason text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_table regclass := oeventdb_internal.journaled_table(restore_dependent.table_name);
    v_found bigint;
    v_columns record;
BEGIN
    IF restore_dependent.reason LIKE '%removed' THEN
        PERFORM oeventdb_internal.insert_old_row(v_table, restore_dependent.old_row);
        RETURN;
    END IF;

    SELECT
        pg_catalog.string_agg(pg_catalog.format('t.%1$I = was.%1$I', a.attname), ' AND ') FILTER (WHERE s.is_key) AS key,
        pg_catalog.string_agg(pg_catalog.format('t.%1$I IS NULL', a.attname), ' AND ') FILTER (WHERE NOT s.is_key) AS parted,
        pg_catalog.string_agg(pg_catalog.format('%1$I = was.%1$I', a.attname), ', ') FILTER (WHERE NOT s.is_key) AS restored
    INTO v_columns
    FROM pg_catalog.pg_attribute AS a
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)
        ) AS is_key
    ) AS s
    WHERE a.attrelid = v_table AND a.attnum > 0 AND NOT a.attisdropped AND restore_dependent.old_row ? a.attname::text;
    EXECUTE pg_catalog.format(
        'UPDATE %1$s AS t SET %2$s FROM pg_catalog.jsonb_populate_record(NULL::%1$s, $1) AS was WHERE %3$s AND %4$s',
        v_table, v_columns.restored, v_columns.key, v_columns.parted
    ) USING restore_dependent.old_row;
    GET DIAGNOSTICS v_found = ROW_COUNT;
    IF v_found = 0 THEN
        RAISE EXCEPTION 'that row of % is gone or points elsewhere', restore_dependent.table_name USING ERRCODE = 'no_data_found';
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.restore_dependent(text, jsonb, text) IS
'Puts back what journal_dependents has journaled. Raises no_data_found (P0002) for a row that is gone or points elsewhere, undefined_table for a table
that is gone; else the errors of its constraints and triggers.';

REVOKE ALL ON FUNCTION oeventdb_internal.restore_dependent(text, jsonb, text) FROM PUBLIC;
