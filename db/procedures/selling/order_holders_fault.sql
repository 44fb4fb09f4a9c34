-- What is wrong with the holders named in a line of an order, in words; NULL when nothing is.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_holders_fault(
    holders jsonb,
    quantity integer
) RETURNS text
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_catalog.jsonb_typeof(order_holders_fault.holders) <> 'array' THEN
        RETURN 'holders is no array';
    ELSIF pg_catalog.jsonb_array_length(order_holders_fault.holders) > order_holders_fault.quantity THEN
        RETURN 'holders names more people than seats';
    ELSIF EXISTS (
        SELECT FROM pg_catalog.jsonb_array_elements(order_holders_fault.holders) AS h
        WHERE pg_catalog.jsonb_typeof(h.value) <> 'object'
    ) THEN
        RETURN 'holders has an element that is no object';
    ELSIF EXISTS (
        SELECT FROM pg_catalog.jsonb_array_elements(order_holders_fault.holders) AS h
        CROSS JOIN LATERAL pg_catalog.jsonb_each(h.value) AS k
        WHERE k.key <> ALL (ARRAY['firstname', 'lastname', 'email'])
            OR pg_catalog.jsonb_typeof(k.value) NOT IN ('string', 'null')
            OR pg_catalog.length(k.value #>> '{}') > 1000
    ) THEN
        RETURN 'holders has keys other than firstname, lastname and email, or values that are no text of at most 1000 characters';
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_holders_fault(jsonb, integer) IS
'Why the holders of a line are none.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_holders_fault(jsonb, integer) FROM PUBLIC;
