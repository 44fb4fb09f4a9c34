-- An order is looked at under its lock: of two who change its state the second sees what the first did.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_order(
    order_identifier text
) RETURNS public.orders
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_order public.orders;
BEGIN
    PERFORM oeventdb_internal.require_text('order_identifier', lock_order.order_identifier);
    SELECT o.* INTO v_order FROM public.orders AS o WHERE o.identifier = lock_order.order_identifier FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('order', lock_order.order_identifier);
    END IF;
    RETURN v_order;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.lock_order(text) IS
'The order, locked. Raises OE400 for NULL or blank, OE404 for an unknown order.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_order(text) FROM PUBLIC;
