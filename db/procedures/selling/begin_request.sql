-- A request with a key is answered once: the second with the same key waits for the first, and gets its order.
CREATE OR REPLACE FUNCTION oeventdb_internal.begin_request(
    idempotency_key text,
    request jsonb
) RETURNS oeventdb."order"
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_digest bytea := pg_catalog.sha256(pg_catalog.convert_to(begin_request.request::text, 'UTF8'));
    v_earlier record;
BEGIN
    LOOP
        INSERT INTO oeventdb_internal.order_requests (idempotency_key, request_digest)
        VALUES (begin_request.idempotency_key, v_digest)
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN NULL;
        END IF;
        -- key and order in one statement, as they go together
        SELECT r.request_digest, r.order_id, oeventdb_internal.order_row(o.*) AS placed INTO v_earlier
        FROM oeventdb_internal.order_requests AS r
        LEFT JOIN public.orders AS o ON o.id = r.order_id
        WHERE r.idempotency_key = begin_request.idempotency_key COLLATE "default";
        -- gone again, with its order: then the key is new
        EXIT WHEN FOUND;
    END LOOP;
    IF v_earlier.request_digest <> v_digest THEN
        PERFORM oeventdb_internal.fail(
            'OE303',
            'the idempotency key was used for another request',
            pg_catalog.jsonb_build_object('idempotency_key', begin_request.idempotency_key, 'order_id', v_earlier.order_id),
            'Repeat the request exactly, or use a new key for a new one.'
        );
    ELSIF (v_earlier.placed).id IS NULL THEN
        PERFORM oeventdb_internal.refuse_unknown('order', v_earlier.order_id);
    END IF;
    RETURN v_earlier.placed;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.begin_request(text, jsonb) IS
'NULL for a key that is new; the order for the same request again. Raises OE303 for another request, OE404 for an order that is not there.';

REVOKE ALL ON FUNCTION oeventdb_internal.begin_request(text, jsonb) FROM PUBLIC;
