-- Uses of codes are taken when an order is written, given back when it dies or is deleted, and needed again for it to live; another code is used instead.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_code_uses() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_was_live boolean := TG_OP <> 'INSERT' AND oeventdb_internal.order_is_live(OLD.status);
    v_is_live boolean := TG_OP <> 'DELETE' AND oeventdb_internal.order_is_live(NEW.status);
    v_code_id bigint;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE public.discount_codes AS c SET used_number = 0 WHERE c.used_number > 0;
        UPDATE public.access_codes AS c SET used_number = 0 WHERE c.used_number > 0;
        RETURN NULL;
    END IF;
    IF v_was_live AND OLD.discount_seats > 0 AND NOT (
        v_is_live AND (NEW.discount_code_id, NEW.discount_seats) IS NOT DISTINCT FROM (OLD.discount_code_id, OLD.discount_seats)
    ) THEN
        -- none where there is no limit: nothing is counted, but who is giving the code one waits, and then does not count this order
        v_code_id := (oeventdb_internal.lock_discount_code(OLD.discount_code_id)).id;
        UPDATE public.discount_codes AS c SET used_number = c.used_number - OLD.discount_seats WHERE c.id = v_code_id;
    END IF;
    IF v_is_live AND NEW.discount_code_id IS NOT NULL AND NEW.discount_seats > 0 AND NOT (
        v_was_live AND (NEW.discount_code_id, NEW.discount_seats) IS NOT DISTINCT FROM (OLD.discount_code_id, OLD.discount_seats)
    ) THEN
        PERFORM oeventdb_internal.use_discount_code(NEW.discount_code_id, NEW.discount_seats);
    END IF;
    IF v_was_live AND OLD.access_seats > 0 AND NOT (
        v_is_live AND (NEW.access_code_id, NEW.access_seats) IS NOT DISTINCT FROM (OLD.access_code_id, OLD.access_seats)
    ) THEN
        v_code_id := (oeventdb_internal.lock_access_code(OLD.access_code_id)).id;
        UPDATE public.access_codes AS c SET used_number = c.used_number - OLD.access_seats WHERE c.id = v_code_id;
    END IF;
    IF v_is_live AND NEW.access_code_id IS NOT NULL AND NEW.access_seats > 0 AND NOT (
        v_was_live AND (NEW.access_code_id, NEW.access_seats) IS NOT DISTINCT FROM (OLD.access_code_id, OLD.access_seats)
    ) THEN
        PERFORM oeventdb_internal.use_access_code(NEW.access_code_id, NEW.access_seats);
    END IF;
    RETURN OLD;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_code_uses() IS
'Trigger of public.orders, after a row with seats of a code is inserted, after status changes between live and dead or a code or its seats change,
before a row is deleted, and after all are truncated; its name lets it come before order_liveness, so that everybody locks codes before tickets. Raises OE203 or OE107 when too few uses are left.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_code_uses() FROM PUBLIC;
