-- What the API shows of an order, from the table's row.
-- SQL without SET search_path, so that it is inlined; it names nothing but its argument.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_row(
    placed public.orders
) RETURNS oeventdb."order"
LANGUAGE sql
STABLE
AS $function$
    SELECT ROW(
        placed.id, placed.identifier, placed.event_id, placed.status, placed.amount::numeric, placed.currency, placed.email,
        placed.discount_code_id, placed.access_code_id, placed.created_at, placed.expires_at, placed.completed_at,
        placed.transaction_id, placed.cancel_note
    )::oeventdb."order"
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_row(public.orders) IS
'The API''s row of an order.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_row(public.orders) FROM PUBLIC;
