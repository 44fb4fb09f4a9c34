-- Before a column is dropped, what goes with it is journaled; rolling the migration back makes it again.
CREATE OR REPLACE FUNCTION oeventdb_internal.journal_column(
    migration text,
    relation regclass,
    column_name text,
    kinds text[]
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
    SELECT
        journal_column.migration, c.relname, s.name,
        pg_catalog.jsonb_build_object('statement', s.statement),
        pg_catalog.format('%s of the old column %s, dropped with it', s.kind, journal_column.column_name)
    FROM pg_catalog.pg_class AS c
    CROSS JOIN oeventdb_internal.column_statements(journal_column.relation, journal_column.column_name) AS s
    WHERE c.oid = journal_column.relation AND s.kind = ANY (journal_column.kinds);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.journal_column(text, regclass, text, text[]) IS
'Journals what is dropped with a column, those kinds of column_statements, as statements. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.journal_column(text, regclass, text, text[]) FROM PUBLIC;
