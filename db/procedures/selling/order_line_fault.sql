-- What is wrong with one line of an order, in words; NULL when nothing is.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_line_fault(
    line jsonb
) RETURNS text
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_number numeric;
BEGIN
    IF pg_catalog.jsonb_typeof(order_line_fault.line) <> 'object' THEN
        RETURN 'is no object';
    ELSIF order_line_fault.line - ARRAY['ticket_id', 'quantity', 'price', 'holders'] <> '{}' THEN
        RETURN 'has keys other than ticket_id, quantity, price and holders';
    END IF;

    IF pg_catalog.jsonb_typeof(order_line_fault.line -> 'ticket_id') IS DISTINCT FROM 'number' THEN
        RETURN 'ticket_id is no number';
    END IF;
    v_number := (order_line_fault.line -> 'ticket_id')::numeric;
    IF v_number <> pg_catalog.trunc(v_number) OR v_number NOT BETWEEN 1 AND 9223372036854775807 THEN
        RETURN 'ticket_id is no id';
    END IF;

    IF pg_catalog.jsonb_typeof(order_line_fault.line -> 'quantity') IS DISTINCT FROM 'number' THEN
        RETURN 'quantity is no number';
    END IF;
    v_number := (order_line_fault.line -> 'quantity')::numeric;
    IF v_number <> pg_catalog.trunc(v_number) OR v_number NOT BETWEEN 1 AND 10000 THEN
        RETURN 'quantity is no whole number from 1 to 10000';
    END IF;

    IF order_line_fault.line ? 'price' THEN
        IF pg_catalog.jsonb_typeof(order_line_fault.line -> 'price') <> 'number' THEN
            RETURN 'price is no number';
        ELSIF (order_line_fault.line -> 'price')::numeric NOT BETWEEN 0 AND 1000000000 THEN
            RETURN 'price is not from 0 to 1000000000';
        END IF;
    END IF;

    IF order_line_fault.line ? 'holders' THEN
        RETURN oeventdb_internal.order_holders_fault(order_line_fault.line -> 'holders', v_number::integer);
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_line_fault(jsonb) IS
'Why a line is none: shape, keys, and ranges that need no look-up.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_line_fault(jsonb) FROM PUBLIC;
