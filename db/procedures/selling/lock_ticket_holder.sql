-- A holder is looked at under its lock: of two doors that let the same one in, the second must see the first.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_ticket_holder(
    ticket_holder_id bigint
) RETURNS public.ticket_holders
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_holder public.ticket_holders;
BEGIN
    IF lock_ticket_holder.ticket_holder_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('ticket_holder_id', 'is NULL');
    END IF;
    SELECT h.* INTO v_holder FROM public.ticket_holders AS h
    WHERE h.id = lock_ticket_holder.ticket_holder_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket_holder', lock_ticket_holder.ticket_holder_id);
    END IF;
    RETURN v_holder;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.lock_ticket_holder(bigint) IS
'The holder, locked. Raises OE400 for NULL, OE404 for an unknown holder.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_ticket_holder(bigint) FROM PUBLIC;
