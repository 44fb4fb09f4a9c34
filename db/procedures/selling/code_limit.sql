-- A code that gets a limit is told how often it is used by then; without limit nobody counts, so that nobody queues.
CREATE OR REPLACE FUNCTION oeventdb_internal.code_limit() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NEW.tickets_number IS NULL THEN
        NEW.used_number := 0;
        RETURN NEW;
    END IF;
    -- an older snapshot would not show the orders that were placed since
    PERFORM oeventdb_internal.require_read_committed('a code without a limit gets one');
    IF TG_TABLE_NAME = 'discount_codes' THEN
        SELECT COALESCE(pg_catalog.sum(o.discount_seats), 0) INTO NEW.used_number FROM public.orders AS o
        WHERE o.discount_code_id = NEW.id AND oeventdb_internal.order_is_live(o.status);
    ELSE
        SELECT COALESCE(pg_catalog.sum(o.access_seats), 0) INTO NEW.used_number FROM public.orders AS o
        WHERE o.access_code_id = NEW.id AND oeventdb_internal.order_is_live(o.status);
    END IF;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.code_limit() IS
'Trigger of public.discount_codes and public.access_codes, before tickets_number changes.';

REVOKE ALL ON FUNCTION oeventdb_internal.code_limit() FROM PUBLIC;
