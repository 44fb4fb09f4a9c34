-- The schemas: oeventdb for what applications call, oeventdb_internal for the journal of what migrations changed and for helpers.
-- depends: 0001.legacy-tables

CREATE SCHEMA oeventdb;

COMMENT ON SCHEMA oeventdb IS
'The ticketing rules as functions: what applications call. Roles get EXECUTE with `oeventdb grant`.';

CREATE SCHEMA IF NOT EXISTS oeventdb_internal;

COMMENT ON SCHEMA oeventdb_internal IS
'Ledger, journal, admissions, search versions and helpers of oeventdb. No role but the owner needs anything here.';

CREATE TABLE IF NOT EXISTS oeventdb_internal.journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration text NOT NULL,
    table_name text NOT NULL,
    key text NOT NULL,
    old_row jsonb NOT NULL,
    reason text NOT NULL,
    journaled_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    restored_at timestamptz
);

COMMENT ON TABLE oeventdb_internal.journal IS
'Every row or value that a migration removed or changed beyond recognition, as it was before: read it with `oeventdb quarantine list`.';

CREATE INDEX IF NOT EXISTS journal_migration_table_name_key ON oeventdb_internal.journal (migration, table_name, key);

CREATE TABLE oeventdb_internal.progress (
    task text PRIMARY KEY,
    done bigint NOT NULL,
    total bigint NOT NULL,
    unit text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

COMMENT ON TABLE oeventdb_internal.progress IS
'How far the batches of a migration have come: done of total, in units, committed with each batch; a resumed task goes on from here.';

CREATE TABLE oeventdb_internal.grants (
    role_name text NOT NULL,
    kind text NOT NULL CONSTRAINT grants_kind CHECK (kind IN ('app', 'reader', 'search')),
    PRIMARY KEY (role_name, kind)
);

COMMENT ON TABLE oeventdb_internal.grants IS
'What `oeventdb grant` has given, so that each migrate gives it again for functions that are new.';

-- >>> db/procedures/internal/fail.sql
-- Every refusal by a function is raised here, in one shape: an own SQLSTATE, a JSON DETAIL for machines, a HINT for people.
CREATE OR REPLACE FUNCTION oeventdb_internal.fail(
    code text,
    message text,
    detail jsonb,
    hint text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = fail.code,
        MESSAGE = fail.message,
        DETAIL = fail.detail::text,
        HINT = fail.hint;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.fail(text, text, jsonb, text) IS
'Raises SQLSTATE code (class OE) with the message, the detail as JSON text and the hint; never returns.';

REVOKE ALL ON FUNCTION oeventdb_internal.fail(text, text, jsonb, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/require_read_committed.sql
-- Some changes must see all that is committed: an older snapshot would hide rows that matter.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_read_committed(
    what text,
    instead text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_catalog.current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION '% under READ COMMITTED only', require_read_committed.what
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Begin the transaction with ISOLATION LEVEL READ COMMITTED' || COALESCE(', or ' || require_read_committed.instead, '') || '.';
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_read_committed(text, text) IS
'Raises feature_not_supported (0A000) under REPEATABLE READ and SERIALIZABLE; what is the beginning of the message,
instead what else can be done.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_read_committed(text, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/drop_unfinished_index.sql
-- CREATE INDEX CONCURRENTLY leaves an invalid index when it is interrupted: it is removed, so that the next try builds it.
CREATE OR REPLACE FUNCTION oeventdb_internal.drop_unfinished_index(
    index_name text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_index AS i
        INNER JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
        WHERE NOT i.indisvalid AND c.relname = drop_unfinished_index.index_name
            AND c.relnamespace = 'public'::pg_catalog.regnamespace
    ) THEN
        EXECUTE pg_catalog.format('DROP INDEX public.%I', drop_unfinished_index.index_name);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.drop_unfinished_index(text) IS
'Drops the named index of schema public if it is invalid, and only then.';

REVOKE ALL ON FUNCTION oeventdb_internal.drop_unfinished_index(text) FROM PUBLIC;
-- <<<
