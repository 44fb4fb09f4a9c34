-- What is wrong with one line of an order, in words; NULL when nothing is.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_line_fault(
    line jsonb
) RETURNS text
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- one expression: each is made ready again in every transaction, which takes longer than to evaluate it
    RETURN CASE
        WHEN pg_catalog.jsonb_typeof(order_line_fault.line) <> 'object' THEN 'is no object'
        WHEN order_line_fault.line - ARRAY['ticket_id', 'quantity', 'price', 'holders'] <> '{}'
            THEN 'has keys other than ticket_id, quantity, price and holders'
        WHEN pg_catalog.jsonb_typeof(order_line_fault.line -> 'ticket_id') IS DISTINCT FROM 'number' THEN 'ticket_id is no number'
        WHEN (order_line_fault.line -> 'ticket_id')::numeric <> pg_catalog.trunc((order_line_fault.line -> 'ticket_id')::numeric)
            OR (order_line_fault.line -> 'ticket_id')::numeric NOT BETWEEN 1 AND 9223372036854775807
            THEN 'ticket_id is no id'
        WHEN pg_catalog.jsonb_typeof(order_line_fault.line -> 'quantity') IS DISTINCT FROM 'number' THEN 'quantity is no number'
        WHEN (order_line_fault.line -> 'quantity')::numeric <> pg_catalog.trunc((order_line_fault.line -> 'quantity')::numeric)
            OR (order_line_fault.line -> 'quantity')::numeric NOT BETWEEN 1 AND 10000
            THEN 'quantity is no whole number from 1 to 10000'
        WHEN pg_catalog.jsonb_typeof(order_line_fault.line -> 'price') <> 'number' THEN 'price is no number'
        WHEN (order_line_fault.line -> 'price')::numeric NOT BETWEEN 0 AND 1000000000 THEN 'price is not from 0 to 1000000000'
        WHEN order_line_fault.line ? 'holders' THEN oeventdb_internal.order_holders_fault(
            order_line_fault.line -> 'holders', (order_line_fault.line -> 'quantity')::integer
        )
    END;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_line_fault(jsonb) IS
'Why a line is none: shape, keys, and ranges that need no look-up.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_line_fault(jsonb) FROM PUBLIC;
