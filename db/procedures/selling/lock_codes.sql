-- A buyer locks the codes that the texts mean when the lock is had: others may mean them by then than when the wait began.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_codes(
    event_id bigint,
    lines jsonb,
    discount_code text,
    access_code text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_id bigint;
    v_locked bigint;
BEGIN
    -- before its codes, which go with it
    PERFORM FROM public.events AS e WHERE e.id = lock_codes.event_id FOR KEY SHARE;
    WHILE lock_codes.discount_code IS NOT NULL LOOP
        SELECT c.id INTO v_id FROM oeventdb_internal.live_discount_code(lock_codes.event_id, lock_codes.discount_code) AS c;
        IF v_id IS NULL THEN
            -- refuses the order; going on without the lock, it could find a code that is made while the access code is waited for
            PERFORM oeventdb_internal.price_order(
                lock_codes.event_id, lock_codes.lines, lock_codes.discount_code, lock_codes.access_code
            );
        END IF;
        EXIT WHEN v_id = v_locked;
        PERFORM oeventdb_internal.lock_discount_code(v_id);
        v_locked := v_id;
    END LOOP;
    v_locked := NULL;
    WHILE lock_codes.access_code IS NOT NULL LOOP
        SELECT c.id INTO v_id FROM oeventdb_internal.live_access_code(lock_codes.event_id, lock_codes.access_code) AS c;
        IF v_id IS NULL THEN
            PERFORM oeventdb_internal.price_order(
                lock_codes.event_id, lock_codes.lines, lock_codes.discount_code, lock_codes.access_code
            );
        END IF;
        EXIT WHEN v_id = v_locked;
        PERFORM oeventdb_internal.lock_access_code(v_id);
        v_locked := v_id;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.lock_codes(bigint, jsonb, text, text) IS
'Locks the event and the codes of an order, the discount code first, as everybody does. Raises what price_order raises where a text means no code.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_codes(bigint, jsonb, text, text) FROM PUBLIC;
