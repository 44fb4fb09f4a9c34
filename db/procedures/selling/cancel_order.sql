-- A cancelled order gives everything back at once: its admissions, and the uses of its codes.
CREATE OR REPLACE FUNCTION oeventdb.cancel_order(
    order_identifier text,
    note text DEFAULT NULL
) RETURNS SETOF oeventdb."order"
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_order public.orders := oeventdb_internal.lock_order(cancel_order.order_identifier);
BEGIN
    IF v_order.status IN ('completed', 'cancelled', 'expired', 'deleted') THEN
        PERFORM oeventdb_internal.refuse_order_state(cancel_order.order_identifier, v_order.status);
    END IF;

    UPDATE public.orders AS o SET status = 'cancelled', cancel_note = COALESCE(cancel_order.note, o.cancel_note)
    WHERE o.id = v_order.id
    RETURNING o.* INTO v_order;
    RETURN QUERY SELECT (oeventdb_internal.order_row(v_order)).*;
END
$function$;

COMMENT ON FUNCTION oeventdb.cancel_order(text, text) IS
'Cancels an order that is not yet complete and returns it; note says why. Its seats can be sold again as soon as the transaction commits.
Errors: OE404 no such order; OE400 order_identifier NULL or blank; OE301 completed, cancelled, expired or deleted before.';

REVOKE ALL ON FUNCTION oeventdb.cancel_order(text, text) FROM PUBLIC;
