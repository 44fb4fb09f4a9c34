-- An admission that is given back is free for the next buyer as soon as the transaction commits.
CREATE OR REPLACE FUNCTION oeventdb_internal.release_admission(
    ticket_id bigint,
    admission_no integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- shared: givers don't wait for each other, but a buyer who found nothing waits for all of them
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(oeventdb_internal.release_lock(release_admission.ticket_id));
    INSERT INTO oeventdb_internal.free_admissions (ticket_id, place, admission_no)
    VALUES (
        release_admission.ticket_id,
        oeventdb_internal.admission_place(release_admission.admission_no),
        release_admission.admission_no
    )
    ON CONFLICT DO NOTHING;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.release_admission(bigint, integer) IS
'Puts an admission among the free ones of its ticket.';

REVOKE ALL ON FUNCTION oeventdb_internal.release_admission(bigint, integer) FROM PUBLIC;
