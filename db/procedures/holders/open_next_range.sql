-- When a ticket's open admissions are taken, the next thousand are opened from a range that nobody else is opening.
CREATE OR REPLACE FUNCTION oeventdb_internal.open_next_range(
    ticket_id bigint,
    event_id bigint
) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_range oeventdb_internal.admission_ranges;
    v_last integer;
BEGIN
    SELECT r.* INTO v_range
    FROM oeventdb_internal.admission_ranges AS r
    WHERE r.ticket_id = open_next_range.ticket_id
    ORDER BY r.first_no LIMIT 1
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;

    v_last := LEAST(v_range.first_no::bigint + 999, v_range.last_no)::integer;
    IF v_last = v_range.last_no THEN
        DELETE FROM oeventdb_internal.admission_ranges AS r
        WHERE r.ticket_id = v_range.ticket_id AND r.first_no = v_range.first_no;
    ELSE
        UPDATE oeventdb_internal.admission_ranges AS r SET first_no = v_last + 1
        WHERE r.ticket_id = v_range.ticket_id AND r.first_no = v_range.first_no;
    END IF;
    PERFORM oeventdb_internal.open_admissions(open_next_range.ticket_id, open_next_range.event_id, v_range.first_no, v_last);
    RETURN true;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.open_next_range(bigint, bigint) IS
'Opens up to 1,000 more admissions of a ticket. False if no range is left that is not being opened by another transaction.';

REVOKE ALL ON FUNCTION oeventdb_internal.open_next_range(bigint, bigint) FROM PUBLIC;
