-- Removes the schema of the API and the internal tables; the ledger stays, since this rollback is recorded in it.

-- >>> db/procedures/internal/require_read_committed.sql
DROP FUNCTION oeventdb_internal.require_read_committed(text, text);
-- <<<

-- >>> db/procedures/internal/fail.sql
DROP FUNCTION oeventdb_internal.fail(text, text, jsonb, text);
-- <<<

-- >>> db/procedures/internal/drop_unfinished_index.sql
DROP FUNCTION oeventdb_internal.drop_unfinished_index(text);
-- <<<

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
