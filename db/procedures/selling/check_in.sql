-- A holder is let in once; the second try is told when the first was.
CREATE OR REPLACE FUNCTION oeventdb.check_in(
    ticket_holder_id bigint,
    at timestamptz DEFAULT now()
) RETURNS SETOF oeventdb.ticket_holder
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
-- checkin_times is a text
SET DateStyle = 'ISO, YMD'
AS $function$
DECLARE
    v_holder public.ticket_holders;
    v_order_id bigint;
    v_status text;
    v_identifier text;
BEGIN
    IF check_in.at IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('at', 'is NULL');
    ELSIF NOT pg_catalog.isfinite(check_in.at) THEN
        PERFORM oeventdb_internal.refuse_argument('at', 'is no time');
    END IF;
    LOOP
        -- undone where the holder went to another order meanwhile: kept, its lock would be held while that order is waited for
        BEGIN
            SELECT h.order_id INTO v_order_id FROM public.ticket_holders AS h WHERE h.id = check_in.ticket_holder_id;
            -- the order before the holder, as who cancels it locks them: the other way round the two could wait for each other
            SELECT o.status, o.identifier INTO v_status, v_identifier FROM public.orders AS o WHERE o.id = v_order_id FOR SHARE;
            v_holder := oeventdb_internal.lock_ticket_holder(check_in.ticket_holder_id);
            EXIT WHEN v_holder.order_id IS NOT DISTINCT FROM v_order_id;
            RAISE EXCEPTION USING ERRCODE = 'OE001';
        EXCEPTION WHEN SQLSTATE 'OE001' THEN
            NULL;
        END;
    END LOOP;
    IF v_holder.is_checked_in THEN
        PERFORM oeventdb_internal.fail(
            'OE401',
            pg_catalog.format('ticket holder %s is checked in already', v_holder.id),
            pg_catalog.jsonb_build_object('ticket_holder_id', v_holder.id, 'checked_in_at', COALESCE(
                pg_catalog.to_jsonb(v_holder.checked_in_at),
                -- who lets holders in by other means appends the time to a list
                pg_catalog.to_jsonb(NULLIF(pg_catalog.btrim(pg_catalog.substring(v_holder.checkin_times, '[^,]*$')), ''))
            )),
            'Look who came with this ticket before, or undo that check-in.'
        );
    END IF;
    IF NOT oeventdb_internal.order_is_live(v_status) THEN
        PERFORM oeventdb_internal.refuse_order_state(COALESCE(v_identifier, v_order_id::text), v_status);
    END IF;

    -- a crash must not let the holder in again, whatever the session has set
    IF pg_catalog.current_setting('synchronous_commit') = 'off' THEN
        PERFORM pg_catalog.set_config('synchronous_commit', 'local', true);
    END IF;
    RETURN QUERY
    UPDATE public.ticket_holders AS h SET
        is_checked_in = true, checked_in_at = check_in.at,
        checkin_times = pg_catalog.concat_ws(',', NULLIF(h.checkin_times, ''), check_in.at::text)
    WHERE h.id = v_holder.id
    RETURNING (oeventdb_internal.ticket_holder_row(h.*)).*;
END
$function$;

COMMENT ON FUNCTION oeventdb.check_in(bigint, timestamptz) IS
'Checks a holder in and returns it; the time is added to checkin_times. Errors: OE404 no such holder; OE400 an argument NULL, at
infinite; OE401 checked in before, DETAIL {"checked_in_at"}; OE301 the order is cancelled, expired or deleted.';

REVOKE ALL ON FUNCTION oeventdb.check_in(bigint, timestamptz) FROM PUBLIC;
