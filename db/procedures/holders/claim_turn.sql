-- Who waits for one admission looks again after a while: another may have come free, and who gives one back queues behind this one.
CREATE OR REPLACE FUNCTION oeventdb_internal.claim_turn(
    deadline timestamptz
) RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_left numeric := EXTRACT(EPOCH FROM claim_turn.deadline - pg_catalog.clock_timestamp()) * 1000;
    v_waited numeric := EXTRACT(EPOCH FROM oeventdb_internal.claim_patience()) * 1000 - v_left;
BEGIN
    -- as long as was waited before: soon there when it is quick, and long enough for PostgreSQL to find a deadlock when it is not
    RETURN pg_catalog.ceil(LEAST(v_left, GREATEST(v_waited, 50), 2000))::integer;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.claim_turn(timestamptz) IS
'For how many milliseconds to wait at most before the next look, at most two seconds; less than 1 when the deadline has passed.';

REVOKE ALL ON FUNCTION oeventdb_internal.claim_turn(timestamptz) FROM PUBLIC;
