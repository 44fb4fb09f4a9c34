-- Who is about to give back admissions of several tickets says so for all of them first, in the order of the tickets.
CREATE OR REPLACE FUNCTION oeventdb_internal.announce_release(
    order_ids bigint[]
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_ticket_id bigint;
BEGIN
    FOR v_ticket_id IN
        SELECT DISTINCT h.ticket_id FROM public.ticket_holders AS h
        WHERE h.order_id = ANY (announce_release.order_ids) AND h.admission_no IS NOT NULL
        ORDER BY h.ticket_id
    LOOP
        PERFORM pg_catalog.pg_advisory_xact_lock_shared(oeventdb_internal.release_lock(v_ticket_id));
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.announce_release(bigint[]) IS
'Takes the release locks of the tickets of these orders, so that claims that find too little wait for what comes free.';

REVOKE ALL ON FUNCTION oeventdb_internal.announce_release(bigint[]) FROM PUBLIC;
