-- Who orders is reached by e-mail, and an order is held for a while, not for ever.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_buyer(
    email text,
    idempotency_key text,
    hold interval
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_buyer.email IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('email', 'is NULL');
    ELSIF pg_catalog.length(require_buyer.email) > 254 THEN
        PERFORM oeventdb_internal.refuse_argument('email', 'is longer than 254 characters');
    ELSIF require_buyer.email COLLATE "C" !~ '^[^@[:space:]]+@[^@[:space:]]+$' THEN
        PERFORM oeventdb_internal.refuse_argument('email', 'is no e-mail address');
    ELSIF require_buyer.hold IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('hold', 'is NULL');
    ELSIF NOT (EXTRACT(EPOCH FROM require_buyer.hold) > 0 AND EXTRACT(EPOCH FROM require_buyer.hold) <= 30 * 86400) THEN
        PERFORM oeventdb_internal.refuse_argument('hold', 'is not more than 0 and at most 30 days');
    ELSIF require_buyer.idempotency_key = '' THEN
        PERFORM oeventdb_internal.refuse_argument('idempotency_key', 'is empty');
    ELSIF pg_catalog.length(require_buyer.idempotency_key) > 255 THEN
        PERFORM oeventdb_internal.refuse_argument('idempotency_key', 'is longer than 255 characters');
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_buyer(text, text, interval) IS
'Raises OE400 for an e-mail address, an idempotency key or a hold that cannot be meant.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_buyer(text, text, interval) FROM PUBLIC;
