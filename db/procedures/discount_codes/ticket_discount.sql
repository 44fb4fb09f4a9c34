-- A code covers a ticket of its own event only, and takes at most the price off it: said in words here, held by the foreign key.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_discount() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.discount_codes;
BEGIN
    -- locked: the amount must not be raised, nor this price lowered, behind the other's back
    SELECT c.* INTO v_code FROM public.discount_codes AS c WHERE c.id = NEW.discount_code_id FOR SHARE;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('discount_code', NEW.discount_code_id);
    ELSIF v_code.used_for <> 'ticket' THEN
        PERFORM oeventdb_internal.refuse_code_kind(v_code.id::bigint);
    ELSIF v_code.event_id IS DISTINCT FROM NEW.event_id THEN
        PERFORM oeventdb_internal.refuse_wrong_event('discount_code', v_code.id::bigint, NEW.event_id::bigint);
    ELSIF v_code.type = 'amount' AND v_code.value::numeric > COALESCE(NEW.price, 0)::numeric THEN
        PERFORM oeventdb_internal.refuse_amount(v_code.id::bigint, v_code.value::numeric, NEW.id, NEW.price::numeric);
    END IF;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_discount() IS
'Trigger of public.tickets, before a code is attached or the event or price of a covered ticket changes. Raises OE404 no such code, OE201 code for
whole events, OE105 code of another event, OE205 amount above the price.';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_discount() FROM PUBLIC;
