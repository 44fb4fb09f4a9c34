-- The history of orders is appended to, never rewritten, not even by its owner.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_history_kept() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION 'the history of orders is append-only'
        USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Leave it as it is; add to it by changing the order.';
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_history_kept() IS
'Trigger of oeventdb_internal.order_history: refuses UPDATE, DELETE and TRUNCATE.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_history_kept() FROM PUBLIC;
