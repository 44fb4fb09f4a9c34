-- The journal names a table as SQL does where the search_path is public: a plain name is of that schema, whatever else has it.
CREATE OR REPLACE FUNCTION oeventdb_internal.journaled_table(
    table_name text
) RETURNS regclass
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_schema text := CASE WHEN pg_catalog.cardinality(pg_catalog.parse_ident(journaled_table.table_name)) = 1 THEN 'public.' ELSE '' END;
    v_table regclass := pg_catalog.to_regclass(v_schema || journaled_table.table_name);
BEGIN
    IF v_table IS NULL THEN
        RAISE EXCEPTION 'the table % is gone', journaled_table.table_name USING ERRCODE = 'undefined_table';
    END IF;
    RETURN v_table;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.journaled_table(text) IS
'The table that an entry of the journal names. Raises undefined_table (42P01) for one that is gone.';

REVOKE ALL ON FUNCTION oeventdb_internal.journaled_table(text) FROM PUBLIC;
