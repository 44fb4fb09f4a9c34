-- A check-in can be undone, and the holder let in again; the times of both stay known.
CREATE OR REPLACE FUNCTION oeventdb.undo_check_in(
    ticket_holder_id bigint
) RETURNS SETOF oeventdb.ticket_holder
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_holder public.ticket_holders := oeventdb_internal.lock_ticket_holder(undo_check_in.ticket_holder_id);
BEGIN
    RETURN QUERY
    UPDATE public.ticket_holders AS h SET is_checked_in = false, checked_in_at = NULL WHERE h.id = v_holder.id
    RETURNING (oeventdb_internal.ticket_holder_row(h.*)).*;
END
$function$;

COMMENT ON FUNCTION oeventdb.undo_check_in(bigint) IS
'Takes a check-in back and returns the holder, who may be checked in again; checkin_times keeps the times. A holder who is not checked in stays so.
Errors: OE404 no such holder; OE400 ticket_holder_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.undo_check_in(bigint) FROM PUBLIC;
