-- Removes the functions that put things back; what they put back stays, and so does the journal.

-- >>> db/procedures/internal/restore_journaled.sql
DROP FUNCTION oeventdb_internal.restore_journaled(bigint);
-- <<<

-- >>> db/procedures/internal/restore_link.sql
DROP FUNCTION oeventdb_internal.restore_link(bigint, text);
-- <<<

-- >>> db/procedures/internal/restore_values.sql
DROP FUNCTION oeventdb_internal.restore_values(text, jsonb, jsonb, text);
-- <<<

-- >>> db/procedures/internal/restore_row.sql
DROP FUNCTION oeventdb_internal.restore_row(text, jsonb);
-- <<<

-- >>> db/procedures/internal/require_half_stars.sql
DROP FUNCTION oeventdb_internal.require_half_stars(text);
-- <<<

-- >>> db/procedures/internal/refuse_restoring.sql
DROP FUNCTION oeventdb_internal.refuse_restoring(text, text);
-- <<<
