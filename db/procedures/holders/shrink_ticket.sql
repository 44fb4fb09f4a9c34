-- A ticket loses its admissions beyond a quantity in one go, or nothing happens: it waits for nobody's holder while it has locked others.
CREATE OR REPLACE FUNCTION oeventdb_internal.shrink_ticket(
    ticket_id bigint,
    event_id bigint,
    quantity integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_holder record;
    v_number integer;
BEGIN
    PERFORM oeventdb_internal.drop_free_admissions(shrink_ticket.ticket_id, shrink_ticket.quantity);
    FOR v_holder IN
        -- lock before giving a number: a holder who is being removed needs none
        SELECT h.id, h.admission_no FROM public.ticket_holders AS h
        WHERE h.ticket_id = shrink_ticket.ticket_id AND h.event_id = shrink_ticket.event_id
            AND h.admission_no > shrink_ticket.quantity
        ORDER BY h.admission_no FOR NO KEY UPDATE NOWAIT
    LOOP
        v_number := (oeventdb_internal.take_free_admissions(shrink_ticket.ticket_id, 1))[1];
        IF v_number IS NULL THEN
            IF NOT oeventdb_internal.open_next_range(shrink_ticket.ticket_id, shrink_ticket.event_id) THEN
                RAISE EXCEPTION USING ERRCODE = 'OE001';
            END IF;
            v_number := (oeventdb_internal.take_free_admissions(shrink_ticket.ticket_id, 1))[1];
        END IF;
        UPDATE public.ticket_holders AS h SET admission_no = v_number WHERE h.id = v_holder.id;
        -- the number given back is beyond the quantity: not for the next
        DELETE FROM oeventdb_internal.free_admissions AS f
        WHERE f.ticket_id = shrink_ticket.ticket_id
            AND f.place = oeventdb_internal.admission_place(v_holder.admission_no);
    END LOOP;
    -- waits for whoever holds one of them, and is refused by the foreign key if somebody goes on holding it
    DELETE FROM oeventdb_internal.admissions AS a
    WHERE a.ticket_id = shrink_ticket.ticket_id AND a.admission_no > shrink_ticket.quantity;
    -- what was given back meanwhile; only now, when nothing more can be: who takes one of them waits for this transaction
    DELETE FROM oeventdb_internal.free_admissions AS f
    WHERE f.ctid = ANY (ARRAY(
        SELECT b.ctid FROM oeventdb_internal.free_admissions AS b
        WHERE b.ticket_id = shrink_ticket.ticket_id AND b.admission_no > shrink_ticket.quantity
        FOR UPDATE NOWAIT
    ));
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.shrink_ticket(bigint, bigint, integer) IS
'Takes the admissions beyond quantity off a ticket; their holders get lower numbers. Raises OE001 when none is free for one of them at this moment,
55P03 when others are writing one of them, 23503 when somebody has taken one meanwhile: the caller undoes what was done, waits and tries again.';

REVOKE ALL ON FUNCTION oeventdb_internal.shrink_ticket(bigint, bigint, integer) FROM PUBLIC;
