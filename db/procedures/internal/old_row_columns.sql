-- What of an old row can be inserted again: columns that are newer keep their defaults, and those that are generated are made again.
-- The journal has one null for what is none and for that of JSON; a column that takes no NULL had the latter.
CREATE OR REPLACE FUNCTION oeventdb_internal.old_row_columns(
    relation regclass,
    old_row jsonb
) RETURNS TABLE (names text, row_values text)
LANGUAGE sql
STABLE
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT
        pg_catalog.string_agg(pg_catalog.format('%I', a.attname), ', ' ORDER BY a.attnum),
        pg_catalog.string_agg(
            pg_catalog.format(
                CASE
                    WHEN a.attnotnull AND a.atttypid IN ('pg_catalog.json'::regtype, 'pg_catalog.jsonb'::regtype) THEN 'COALESCE(%I, ''null'')'
                    ELSE '%I'
                END, a.attname
            ), ', ' ORDER BY a.attnum
        )
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = old_row_columns.relation
        AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        AND old_row_columns.old_row ? a.attname::text
$function$;

COMMENT ON FUNCTION oeventdb_internal.old_row_columns(regclass, jsonb) IS
'The columns of a table that an old row of the journal has values for, and what their values are in a statement, each with commas between them;
NULL for none. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.old_row_columns(regclass, jsonb) FROM PUBLIC;
