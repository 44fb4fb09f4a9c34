-- A request with a key is answered once: the second with the same key waits for the first, and gets its order.
CREATE OR REPLACE FUNCTION oeventdb_internal.begin_request(
    idempotency_key text,
    request jsonb
) RETURNS bigint
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_digest bytea := pg_catalog.sha256(pg_catalog.convert_to(begin_request.request::text, 'UTF8'));
    v_earlier oeventdb_internal.order_requests;
BEGIN
    LOOP
        INSERT INTO oeventdb_internal.order_requests (idempotency_key, request_digest)
        VALUES (begin_request.idempotency_key, v_digest)
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN NULL;
        END IF;
        SELECT r.* INTO v_earlier FROM oeventdb_internal.order_requests AS r
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
    END IF;
    RETURN v_earlier.order_id;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.begin_request(text, jsonb) IS
'NULL for a key that is new; the order''s id for the same request again. Raises OE303 for another request.';

REVOKE ALL ON FUNCTION oeventdb_internal.begin_request(text, jsonb) FROM PUBLIC;
