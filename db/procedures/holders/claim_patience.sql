-- Nobody waits for ever: the session's lock_timeout, if it has one, else ten seconds.
CREATE OR REPLACE FUNCTION oeventdb_internal.claim_patience() RETURNS interval
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_timeout interval := pg_catalog.current_setting('lock_timeout')::interval;
BEGIN
    RETURN CASE WHEN v_timeout > '0'::interval THEN v_timeout ELSE '10 seconds'::interval END;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.claim_patience() IS
'How long a claim waits for admissions that others may still give back.';

REVOKE ALL ON FUNCTION oeventdb_internal.claim_patience() FROM PUBLIC;
