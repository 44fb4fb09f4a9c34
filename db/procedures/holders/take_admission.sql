-- A writer may choose the number: a free admission is taken, one not yet opened is cut out of its range.
CREATE OR REPLACE FUNCTION oeventdb_internal.take_admission(
    ticket_id bigint,
    event_id bigint,
    admission_no integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_range oeventdb_internal.admission_ranges;
BEGIN
    LOOP
        DELETE FROM oeventdb_internal.free_admissions AS f
        WHERE f.ticket_id = take_admission.ticket_id
            AND f.place = oeventdb_internal.admission_place(take_admission.admission_no);
        IF FOUND THEN
            RETURN;
        END IF;

        EXIT WHEN NOT EXISTS (
            SELECT FROM oeventdb_internal.admission_ranges AS r
            WHERE r.ticket_id = take_admission.ticket_id
                AND take_admission.admission_no BETWEEN r.first_no AND r.last_no
        );
        -- not while the quantity is being changed: what is cut off here would be out of its sight
        PERFORM FROM public.tickets AS t WHERE t.id = take_admission.ticket_id FOR SHARE;
        DELETE FROM oeventdb_internal.admission_ranges AS r
        WHERE r.ticket_id = take_admission.ticket_id
            AND take_admission.admission_no BETWEEN r.first_no AND r.last_no
        RETURNING r.* INTO v_range;
        IF FOUND THEN
            INSERT INTO oeventdb_internal.admission_ranges (ticket_id, first_no, last_no)
            SELECT v_range.ticket_id, s.first_no, s.last_no
            FROM (VALUES
                (v_range.first_no, take_admission.admission_no - 1),
                (take_admission.admission_no::bigint + 1, v_range.last_no)
            ) AS s (first_no, last_no)
            WHERE s.first_no <= s.last_no;
            INSERT INTO oeventdb_internal.admissions (ticket_id, event_id, admission_no)
            VALUES (take_admission.ticket_id, take_admission.event_id, take_admission.admission_no);
            RETURN;
        END IF;
        -- somebody who was waited for has opened or divided the range: look again where the number is now
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.take_admission(bigint, bigint, integer) IS
'Takes the admission of that number, if it is free. Does nothing otherwise: whether it exists and is held is for the constraints
ticket_holders_admission and ticket_event to say.';

REVOKE ALL ON FUNCTION oeventdb_internal.take_admission(bigint, bigint, integer) FROM PUBLIC;
