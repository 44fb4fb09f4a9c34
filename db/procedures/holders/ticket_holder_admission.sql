-- Whoever writes a holder: one with a ticket gets an admission of its own in the ticket's event, one of a dead order gives it up.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_holder_admission() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = 'force_generic_plan'
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_held integer;
    v_is_same boolean := TG_OP = 'UPDATE' AND NEW.ticket_id IS NOT DISTINCT FROM OLD.ticket_id;
    v_is_known boolean := false;
    v_event_id bigint;
    v_order_event_id bigint;
    v_status text;
    v_xmin xid;
BEGIN
    IF v_is_same THEN
        v_held := OLD.admission_no;
    ELSIF TG_OP = 'UPDATE' AND NEW.admission_no = OLD.admission_no THEN
        -- the number was one of the other ticket
        NEW.admission_no := NULL;
    END IF;

    IF NEW.order_id IS NULL THEN
        NULL;
    ELSIF TG_OP = 'UPDATE' AND NEW.order_id = OLD.order_id
        AND (OLD.admission_no IS NOT NULL OR (OLD.ticket_id IS NOT NULL AND OLD.event_id IS NOT NULL))
    THEN
        -- not locked: who changes the order's state finds this holder and waits for it, so the two would wait for each other
        SELECT o.status, o.event_id INTO v_status, v_order_event_id FROM public.orders AS o WHERE o.id = NEW.order_id;
    ELSE
        SELECT o.status, o.event_id, o.xmin INTO v_status, v_order_event_id, v_xmin FROM public.orders AS o WHERE o.id = NEW.order_id;
        IF v_xmin <> pg_catalog.pg_current_xact_id()::xid THEN
            -- written, not only locked: a cancellation that is under way must see this holder, or this holder the cancellation; and one whose
            -- snapshot is older must fail, as it cannot see this holder
            UPDATE public.orders AS o SET status = o.status WHERE o.id = NEW.order_id
            RETURNING o.status, o.event_id INTO v_status, v_order_event_id;
        END IF;
    END IF;
    IF NEW.ticket_id IS NOT NULL AND NOT (
        v_is_same AND NEW.event_id IS NOT DISTINCT FROM OLD.event_id
        AND (v_held IS NOT NULL OR NOT oeventdb_internal.order_is_live(v_status))
    ) THEN
        SELECT t.event_id, TG_OP = 'INSERT' AND EXISTS (SELECT FROM public.ticket_holders AS h WHERE h.id = NEW.id)
        INTO v_event_id, v_is_known
        FROM public.tickets AS t WHERE t.id = NEW.ticket_id;
        IF NOT FOUND THEN
            PERFORM oeventdb_internal.refuse_unknown('ticket', NEW.ticket_id::bigint);
        ELSIF v_event_id IS NULL OR COALESCE(NEW.event_id, v_event_id) <> v_event_id THEN
            PERFORM oeventdb_internal.refuse_wrong_event('ticket', NEW.ticket_id::bigint, NEW.event_id::bigint);
        END IF;
        NEW.event_id := v_event_id;
    END IF;
    -- an old holder of another event's order goes on, or comes back from the journal; no new one comes
    IF NEW.ticket_id IS NOT NULL AND v_order_event_id <> NEW.event_id AND NOT (
        v_is_same AND NEW.order_id IS NOT DISTINCT FROM OLD.order_id AND NEW.event_id IS NOT DISTINCT FROM OLD.event_id
    ) AND NOT EXISTS (
        SELECT FROM oeventdb_internal.journal AS j
        WHERE j.table_name = 'ticket_holders' AND j.key = NEW.id::text AND j.old_row ->> 'order_id' = NEW.order_id::text
    ) THEN
        PERFORM oeventdb_internal.refuse_wrong_event('order', NEW.order_id::bigint, NEW.event_id::bigint);
    END IF;

    IF v_is_known THEN
        -- locked, so that it is still there when the id is looked at: if it is being deleted, this one needs an admission
        PERFORM FROM public.ticket_holders AS h WHERE h.id = NEW.id FOR NO KEY UPDATE;
        v_is_known := FOUND;
    END IF;
    IF v_is_known THEN
        -- the id refuses this row, or makes an update of it (ON CONFLICT): what was taken for it would be nobody's
        RETURN NEW;
    ELSIF NEW.ticket_id IS NULL OR NOT oeventdb_internal.order_is_live(v_status) THEN
        NEW.admission_no := NULL;
        IF v_event_id IS NOT NULL THEN
            -- without an admission no foreign key keeps the ticket in the event
            PERFORM oeventdb_internal.lock_ticket(NEW.ticket_id, v_event_id);
        END IF;
    ELSIF NEW.admission_no = v_held THEN
        RETURN NEW;
    ELSIF NEW.admission_no IS NOT NULL THEN
        PERFORM oeventdb_internal.lock_ticket(NEW.ticket_id, NEW.event_id);
        PERFORM oeventdb_internal.take_admission(NEW.ticket_id, NEW.event_id, NEW.admission_no);
    ELSIF v_held IS NOT NULL THEN
        NEW.admission_no := v_held;
    ELSE
        NEW.admission_no := oeventdb_internal.claim_admission(NEW.ticket_id, NEW.event_id);
        IF NEW.admission_no IS NULL THEN
            PERFORM oeventdb_internal.refuse_sold_out(NEW.ticket_id, 1);
        END IF;
    END IF;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_holder_admission() IS
'Trigger of public.ticket_holders: fills event_id from the ticket and admission_no with a free one; the number is given up without ticket or with a
dead order. Raises OE404 no such ticket, OE105 a ticket or an order of another event, OE101 sold out.';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_holder_admission() FROM PUBLIC;
