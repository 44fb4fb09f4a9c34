-- Removes the schema of the API and the internal tables; the ledger stays, since this rollback is recorded in it.

-- >>> db/procedures/internal/require_read_committed.sql
DROP FUNCTION oeventdb_internal.require_read_committed(text, text);
-- <<<

-- >>> db/procedures/internal/fail.sql
DROP FUNCTION oeventdb_internal.fail(text, text, jsonb, text);
-- <<<

-- >>> db/procedures/internal/validate_reference.sql
DROP FUNCTION oeventdb_internal.validate_reference(regclass, text);
-- <<<

-- >>> db/procedures/internal/drop_unfinished_index.sql
DROP FUNCTION oeventdb_internal.drop_unfinished_index(text);
-- <<<

-- >>> db/procedures/internal/restore_dependents.sql
DROP FUNCTION oeventdb_internal.restore_dependents(bigint);
-- <<<

-- >>> db/procedures/internal/lock_entries.sql
DROP FUNCTION oeventdb_internal.lock_entries(bigint[]);
-- <<<

-- >>> db/procedures/internal/mark_restored.sql
DROP FUNCTION oeventdb_internal.mark_restored(bigint);
-- <<<

-- >>> db/procedures/internal/restore_dependent.sql
DROP FUNCTION oeventdb_internal.restore_dependent(text, jsonb, text);
-- <<<

-- >>> db/procedures/internal/journal_dependents.sql
DROP FUNCTION oeventdb_internal.journal_dependents(regclass, bigint[], regclass[]);
-- <<<

-- >>> db/procedures/internal/insert_old_row.sql
DROP FUNCTION oeventdb_internal.insert_old_row(regclass, jsonb);
-- <<<

-- >>> db/procedures/internal/old_row_columns.sql
DROP FUNCTION oeventdb_internal.old_row_columns(regclass, jsonb);
-- <<<

-- >>> db/procedures/internal/journaled_table.sql
DROP FUNCTION oeventdb_internal.journaled_table(text);
-- <<<

-- >>> db/procedures/internal/drop_reference.sql
DROP FUNCTION oeventdb_internal.drop_reference(text, regclass, text, regclass);
-- <<<

-- >>> db/procedures/internal/restore_column.sql
DROP FUNCTION oeventdb_internal.restore_column(text);
-- <<<

-- >>> db/procedures/internal/journal_column.sql
DROP FUNCTION oeventdb_internal.journal_column(text, regclass, text, text[]);
-- <<<

-- >>> db/procedures/internal/column_statements.sql
DROP FUNCTION oeventdb_internal.column_statements(regclass, text);
-- <<<

-- >>> db/procedures/internal/require_no_dependents.sql
DROP FUNCTION oeventdb_internal.require_no_dependents(regclass, text, text);
-- <<<

-- What was granted goes with what it was granted on; that schema stays, for the ledger.
DO $$
DECLARE
    v_role text;
BEGIN
    FOR v_role IN
        SELECT r.rolname FROM pg_catalog.pg_roles AS r
        INNER JOIN oeventdb_internal.grants AS g ON g.role_name = r.rolname AND g.kind = 'search'
    LOOP
        EXECUTE pg_catalog.format('REVOKE USAGE ON SCHEMA oeventdb_internal FROM %I', v_role);
    END LOOP;
END
$$;

DROP TABLE oeventdb_internal.grants;

DROP TABLE oeventdb_internal.progress;

-- What could not be put back, because it was changed since, is still only in the journal: then it stays.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM oeventdb_internal.journal) THEN
        DROP TABLE oeventdb_internal.journal;
    END IF;
END
$$;

DROP SCHEMA oeventdb;
