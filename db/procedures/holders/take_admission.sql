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
    v_place text;
    v_range oeventdb_internal.admission_ranges;
BEGIN
    LOOP
        DELETE FROM oeventdb_internal.free_admissions AS f
        WHERE f.ticket_id = take_admission.ticket_id
            AND f.place = oeventdb_internal.admission_place(take_admission.admission_no);
        IF FOUND THEN
            RETURN;
        END IF;

        -- in one statement: between two looks the number may go from one place to another, and seem to be nowhere
        v_place := CASE
            WHEN EXISTS (
                SELECT FROM oeventdb_internal.free_admissions AS f
                WHERE f.ticket_id = take_admission.ticket_id
                    AND f.place = oeventdb_internal.admission_place(take_admission.admission_no)
            ) THEN 'free'
            WHEN EXISTS (
                SELECT FROM public.ticket_holders AS h
                WHERE h.ticket_id = take_admission.ticket_id AND h.event_id = take_admission.event_id
                    AND h.admission_no = take_admission.admission_no
            ) THEN 'held'
            WHEN EXISTS (
                SELECT FROM oeventdb_internal.admissions AS a
                WHERE a.ticket_id = take_admission.ticket_id AND a.event_id = take_admission.event_id
                    AND a.admission_no = take_admission.admission_no
            ) THEN 'ours'
            WHEN EXISTS (
                SELECT FROM oeventdb_internal.admission_ranges AS r
                WHERE r.ticket_id = take_admission.ticket_id
                    AND take_admission.admission_no BETWEEN r.first_no AND r.last_no
            ) THEN 'unopened'
            ELSE 'nowhere'
        END;
        IF v_place = 'ours' THEN
            -- this transaction has claimed it, or this statement has just parted a holder from it
            RETURN;
        ELSIF v_place = 'held' THEN
            -- locked, so that it stays held until the unique key has refused this one
            PERFORM FROM public.ticket_holders AS h
            WHERE h.ticket_id = take_admission.ticket_id AND h.event_id = take_admission.event_id
                AND h.admission_no = take_admission.admission_no
            FOR KEY SHARE;
            IF FOUND THEN
                RETURN;
            END IF;
        ELSIF v_place = 'nowhere' THEN
            -- not left to the foreign key: by the time it looks the ticket may have that number, free for others
            RAISE EXCEPTION 'ticket % has no admission %', take_admission.ticket_id, take_admission.admission_no
                USING ERRCODE = 'foreign_key_violation', SCHEMA = 'public', TABLE = 'ticket_holders',
                      CONSTRAINT = 'ticket_holders_admission', HINT = 'Leave admission_no out to get a free one.';
        ELSIF v_place = 'unopened' THEN
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
        END IF;
        -- it was free, or somebody who was waited for has moved it: look again where it is now
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.take_admission(bigint, bigint, integer) IS
'Takes the admission of that number, if it is free. If somebody holds it, the holder is locked and the constraint ticket_event refuses the next.
Raises foreign_key_violation, in the name of the constraint ticket_holders_admission, when the ticket has no such number.';

REVOKE ALL ON FUNCTION oeventdb_internal.take_admission(bigint, bigint, integer) FROM PUBLIC;
