-- The admissions of a ticket follow its quantity; a holder whose number is beyond the new quantity gets a lower one.
CREATE OR REPLACE FUNCTION oeventdb_internal.resize_ticket(
    ticket_id bigint,
    event_id bigint,
    old_quantity integer,
    new_quantity integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_held bigint;
    v_deadline timestamptz;
BEGIN
    IF resize_ticket.new_quantity > resize_ticket.old_quantity THEN
        PERFORM oeventdb_internal.add_admissions(
            resize_ticket.ticket_id, resize_ticket.event_id, resize_ticket.old_quantity + 1, resize_ticket.new_quantity,
            1000
        );
    ELSIF resize_ticket.new_quantity < resize_ticket.old_quantity THEN
        v_deadline := pg_catalog.clock_timestamp() + oeventdb_internal.claim_patience();
        LOOP
            BEGIN
                PERFORM oeventdb_internal.shrink_ticket(
                    resize_ticket.ticket_id, resize_ticket.event_id, resize_ticket.new_quantity
                );
                RETURN;
            EXCEPTION WHEN SQLSTATE 'OE001' OR lock_not_available OR foreign_key_violation OR internal_error THEN
                -- undone before waiting: who gives a holder up and who shrinks the ticket would wait for each other. Who has taken a number
                -- beyond meanwhile (23503) is seen by the next try. PostgreSQL gives up by itself (XX000, more than one updating member) on a
                -- row that several had begun to change: that too is tried again
                NULL;
            END;
            CONTINUE WHEN oeventdb_internal.await_lower_numbers(resize_ticket.ticket_id, resize_ticket.new_quantity, v_deadline);
            SELECT pg_catalog.count(*) INTO v_held FROM public.ticket_holders AS h
            WHERE h.ticket_id = resize_ticket.ticket_id AND h.admission_no IS NOT NULL;
            EXIT WHEN v_held > resize_ticket.new_quantity OR pg_catalog.clock_timestamp() >= v_deadline;
        END LOOP;

        IF v_held <= resize_ticket.new_quantity THEN
            RAISE EXCEPTION 'others are still writing holders of ticket %', resize_ticket.ticket_id
                USING ERRCODE = 'lock_not_available', HINT = 'Try again.';
        END IF;
        PERFORM oeventdb_internal.fail(
            'OE104',
            pg_catalog.format(
                'ticket %s cannot have a quantity of %s: %s admissions are held',
                resize_ticket.ticket_id, resize_ticket.new_quantity, v_held
            ),
            pg_catalog.jsonb_build_object(
                'ticket_id', resize_ticket.ticket_id, 'quantity', resize_ticket.new_quantity, 'held', v_held
            ),
            'Lower the quantity no further than what is held, or remove holders first.'
        );
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.resize_ticket(bigint, bigint, integer, integer) IS
'Changes a ticket''s admissions from 1..old_quantity to 1..new_quantity. Raises OE104 when more than new_quantity are held,
55P03 when others write the holders for too long.';

REVOKE ALL ON FUNCTION oeventdb_internal.resize_ticket(bigint, bigint, integer, integer) FROM PUBLIC;
