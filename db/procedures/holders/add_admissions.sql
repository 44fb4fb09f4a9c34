-- The admissions first_no..last_no of a ticket come on sale: as many as asked for at once, the rest as ranges that are opened when needed.
CREATE OR REPLACE FUNCTION oeventdb_internal.add_admissions(
    ticket_id bigint,
    event_id bigint,
    first_no integer,
    last_no integer,
    opened integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_ranges CONSTANT bigint := 100;
    v_rest bigint := add_admissions.first_no::bigint + add_admissions.opened;
    v_length bigint := GREATEST(1000, pg_catalog.ceil((add_admissions.last_no - v_rest + 1)::numeric / v_ranges)::bigint);
BEGIN
    PERFORM oeventdb_internal.open_admissions(
        add_admissions.ticket_id, add_admissions.event_id,
        add_admissions.first_no, LEAST(v_rest - 1, add_admissions.last_no)::integer
    );
    -- many ranges, so that whoever opens one keeps nobody from opening another
    INSERT INTO oeventdb_internal.admission_ranges (ticket_id, first_no, last_no)
    SELECT add_admissions.ticket_id, s.first_no, LEAST(s.first_no + v_length - 1, add_admissions.last_no)
    FROM pg_catalog.generate_series(v_rest, add_admissions.last_no, v_length) AS s (first_no);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.add_admissions(bigint, bigint, integer, integer, integer) IS
'Adds the admissions first_no..last_no to a ticket, none when last_no is less than first_no, and opens the first of them. Cheap for any number.';

REVOKE ALL ON FUNCTION oeventdb_internal.add_admissions(bigint, bigint, integer, integer, integer) FROM PUBLIC;
