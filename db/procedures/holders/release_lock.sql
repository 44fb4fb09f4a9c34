-- Whoever gives an admission back holds this advisory lock in share mode, so that a claim that found none can wait for it.
-- A thousand locks for all tickets: with one for each, deleting the holders of many tickets at once would exhaust the server's lock table.
-- SQL without SET search_path, so that it is inlined; every name in it is qualified.
CREATE OR REPLACE FUNCTION oeventdb_internal.release_lock(
    ticket_id bigint
) RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $function$
    SELECT 5721090244376264704
        OPERATOR(pg_catalog.+) (pg_catalog.hashint8(release_lock.ticket_id) OPERATOR(pg_catalog.&) 1023)
$function$;

COMMENT ON FUNCTION oeventdb_internal.release_lock(bigint) IS
'The key of the advisory lock of a ticket, which it may share with other tickets.';

REVOKE ALL ON FUNCTION oeventdb_internal.release_lock(bigint) FROM PUBLIC;
