-- Orders that were not paid in time give everything back; many workers may do this at once.
CREATE OR REPLACE FUNCTION oeventdb.expire_orders(
    batch integer DEFAULT 1000
) RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_ids bigint[];
BEGIN
    IF expire_orders.batch IS NULL OR expire_orders.batch < 1 THEN
        PERFORM oeventdb_internal.refuse_argument('batch', 'is no number of orders');
    END IF;
    SELECT pg_catalog.array_agg(s.id) INTO v_ids FROM (
        SELECT o.id FROM public.orders AS o
        WHERE o.status = 'pending' AND o.expires_at < pg_catalog.clock_timestamp()
        ORDER BY o.expires_at LIMIT expire_orders.batch
        FOR UPDATE SKIP LOCKED
    ) AS s;

    -- what all of them give back is locked first, in the order in which everybody locks: one after the other could make a deadlock
    PERFORM FROM public.discount_codes AS c
    WHERE c.id IN (SELECT o.discount_code_id FROM public.orders AS o WHERE o.id = ANY (v_ids))
    ORDER BY c.id FOR NO KEY UPDATE;
    PERFORM FROM public.access_codes AS c
    WHERE c.id IN (SELECT o.access_code_id FROM public.orders AS o WHERE o.id = ANY (v_ids))
    ORDER BY c.id FOR NO KEY UPDATE;
    PERFORM FROM public.ticket_holders AS h
    WHERE h.order_id = ANY (v_ids) AND h.admission_no IS NOT NULL
    ORDER BY h.id FOR NO KEY UPDATE;
    PERFORM oeventdb_internal.announce_release(v_ids);

    UPDATE public.orders AS o SET status = 'expired' WHERE o.id = ANY (v_ids);
    RETURN COALESCE(pg_catalog.cardinality(v_ids), 0);
END
$function$;

COMMENT ON FUNCTION oeventdb.expire_orders(integer) IS
'Expires at most batch pending orders whose expires_at has passed and returns how many: call it again until it is 0. Orders that another worker is
expiring are skipped. Errors: OE400 batch NULL or less than 1.';

REVOKE ALL ON FUNCTION oeventdb.expire_orders(integer) FROM PUBLIC;
