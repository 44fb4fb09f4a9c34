-- The journal names a table of schema public plainly, and one of another schema with its schema.
CREATE OR REPLACE FUNCTION oeventdb_internal.journaled_table(
    table_name text
) RETURNS regclass
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_dot integer := pg_catalog.strpos(journaled_table.table_name, '.');
    v_table regclass := pg_catalog.to_regclass(pg_catalog.format('public.%I', journaled_table.table_name));
BEGIN
    IF v_table IS NULL AND v_dot > 0 THEN
        v_table := pg_catalog.to_regclass(pg_catalog.format(
            '%I.%I', pg_catalog.left(journaled_table.table_name, v_dot - 1), pg_catalog.substr(journaled_table.table_name, v_dot + 1)
        ));
    END IF;
    IF v_table IS NULL THEN
        RAISE EXCEPTION 'the table % is gone', journaled_table.table_name USING ERRCODE = 'undefined_table';
    END IF;
    RETURN v_table;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.journaled_table(text) IS
'The table that an entry of the journal names. Raises undefined_table (42P01) for one that is gone.';

REVOKE ALL ON FUNCTION oeventdb_internal.journaled_table(text) FROM PUBLIC;
