-- What an order's state does not allow is refused in one wording.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_order_state(
    order_identifier text,
    status text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE301',
        pg_catalog.format('not possible: order %s is %s', refuse_order_state.order_identifier, refuse_order_state.status),
        pg_catalog.jsonb_build_object('order', refuse_order_state.order_identifier, 'status', refuse_order_state.status),
        'An order is pending, then completed, cancelled or expired; only an expired one can still be completed. '
        'Seats of a completed order are freed with remove_ticket_holder.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_order_state(text, text) IS
'Raises OE301 (order_state) with the order and its status.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_order_state(text, text) FROM PUBLIC;
