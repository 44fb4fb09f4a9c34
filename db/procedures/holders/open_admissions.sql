-- Each sellable admission is a row that a holder's foreign key needs, and, while nobody holds it, a row among the free ones.
CREATE OR REPLACE FUNCTION oeventdb_internal.open_admissions(
    ticket_id bigint,
    event_id bigint,
    first_no integer,
    last_no integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO oeventdb_internal.admissions (ticket_id, event_id, admission_no)
    SELECT open_admissions.ticket_id, open_admissions.event_id, s.admission_no
    FROM pg_catalog.generate_series(open_admissions.first_no, open_admissions.last_no) AS s (admission_no);

    INSERT INTO oeventdb_internal.free_admissions (ticket_id, place, admission_no)
    SELECT open_admissions.ticket_id, oeventdb_internal.admission_place(s.admission_no), s.admission_no
    FROM pg_catalog.generate_series(open_admissions.first_no, open_admissions.last_no) AS s (admission_no);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.open_admissions(bigint, bigint, integer, integer) IS
'Writes the admissions first_no..last_no of a ticket, all of them free.';

REVOKE ALL ON FUNCTION oeventdb_internal.open_admissions(bigint, bigint, integer, integer) FROM PUBLIC;
