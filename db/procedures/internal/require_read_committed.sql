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
