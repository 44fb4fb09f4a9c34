-- One admission for one holder: usually some free one that nobody else is taking, from a random place on; else whatever waiting can bring.
CREATE OR REPLACE FUNCTION oeventdb_internal.claim_admission(
    ticket_id bigint,
    event_id bigint
) RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- once, into a variable: in the query it would be evaluated for every row
    v_place integer := pg_catalog.floor(pg_catalog.random() * 2147483648)::bigint;
    v_claimed integer;
BEGIN
    -- event and ticket first, as lock_ticket does, but only with an admission at hand: who has to wait for one keeps nobody from them
    DELETE FROM oeventdb_internal.free_admissions AS a
    WHERE a.ctid = (
        SELECT f.ctid FROM oeventdb_internal.free_admissions AS f
        INNER JOIN public.tickets AS t ON t.id = claim_admission.ticket_id AND t.event_id = claim_admission.event_id
        INNER JOIN public.events AS e ON e.id = claim_admission.event_id
        WHERE f.ticket_id = claim_admission.ticket_id AND f.place >= v_place
        ORDER BY f.place LIMIT 1
        FOR KEY SHARE OF e FOR KEY SHARE OF t FOR UPDATE OF f SKIP LOCKED
    )
    RETURNING a.admission_no INTO v_claimed;
    IF v_claimed IS NULL THEN
        v_claimed := (
            oeventdb_internal.claim_admissions(claim_admission.ticket_id, claim_admission.event_id, 1)
        )[1];
    END IF;
    RETURN v_claimed;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.claim_admission(bigint, bigint) IS
'Takes an admission of a ticket and returns its number, or NULL when none is to be had.';

REVOKE ALL ON FUNCTION oeventdb_internal.claim_admission(bigint, bigint) FROM PUBLIC;
