-- What the runner itself needs before the first migration: the ledger of what has been applied. Safe to run again.

CREATE SCHEMA IF NOT EXISTS oeventdb_internal;

REVOKE ALL ON SCHEMA oeventdb_internal FROM PUBLIC;

CREATE TABLE IF NOT EXISTS oeventdb_internal.ledger (
    id text PRIMARY KEY,
    hash text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    finished_at timestamptz,
    applied_by text NOT NULL DEFAULT SESSION_USER,
    seconds double precision,
    package_version text NOT NULL,
    adopted boolean NOT NULL DEFAULT false
);

REVOKE ALL ON TABLE oeventdb_internal.ledger FROM PUBLIC;

COMMENT ON TABLE oeventdb_internal.ledger IS
'The migrations applied to this database: sha256 over the bytes of the migration and its rollback, when, by whom, how long.
finished_at NULL: a non-transactional migration (or its rollback) was interrupted; run `oeventdb migrate` (or `rollback`) again.
adopted: the tables were there before; nothing was run.';
