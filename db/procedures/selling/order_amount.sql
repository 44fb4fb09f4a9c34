-- Whoever changes what an order costs, or its event: it stays one of one event, and its amount the sum of its lines.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_amount() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.require_order_lines(ARRAY[NEW.id], false);
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_amount() IS
'Trigger of public.orders, after amount, currency or event_id is changed. Raises OE105 and OE400 as require_order_lines does.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_amount() FROM PUBLIC;
