-- An order that is cancelled, expired or deleted is dead; any other, also one without a status, is live and holds admissions.
-- SQL without SET search_path, so that it is inlined; it names nothing but its argument.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_is_live(
    status text
) RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $function$
    SELECT COALESCE(order_is_live.status OPERATOR(pg_catalog.<>) ALL (ARRAY['cancelled', 'expired', 'deleted']), true)
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_is_live(text) IS
'Whether the holders of an order with this status hold their admissions.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_is_live(text) FROM PUBLIC;
