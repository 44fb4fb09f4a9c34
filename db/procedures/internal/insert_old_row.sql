-- A row that the journal keeps is inserted as it was.
CREATE OR REPLACE FUNCTION oeventdb_internal.insert_old_row(
    relation regclass,
    old_row jsonb
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_columns record;
BEGIN
    SELECT c.names, c.row_values INTO v_columns
    FROM oeventdb_internal.old_row_columns(insert_old_row.relation, insert_old_row.old_row) AS c;
    EXECUTE pg_catalog.format(
        'INSERT INTO %1$s (%2$s) OVERRIDING SYSTEM VALUE'
        ' SELECT %3$s FROM pg_catalog.jsonb_populate_record(NULL::%1$s, $1)',
        insert_old_row.relation, v_columns.names, v_columns.row_values
    ) USING insert_old_row.old_row;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.insert_old_row(regclass, jsonb) IS
'Inserts an old row, its id included. Errors: those of the constraints and triggers of the table.';

REVOKE ALL ON FUNCTION oeventdb_internal.insert_old_row(regclass, jsonb) FROM PUBLIC;
