-- The uses of a code are what its orders use: only their triggers write the number.
CREATE OR REPLACE FUNCTION oeventdb_internal.code_uses_kept() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- in a trigger of others the depth is theirs, but the user is not
    IF pg_catalog.pg_trigger_depth() > 1 AND current_user = (
        SELECT pg_catalog.pg_get_userbyid(p.proowner) FROM pg_catalog.pg_proc AS p
        INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = 'oeventdb_internal' AND p.proname = 'order_code_uses'
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'used_number of % is counted from the orders', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
              CONSTRAINT = TG_TABLE_NAME || '_used_number',
              HINT = 'Leave it out: an order whose seats use the code counts as soon as it is written.';
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.code_uses_kept() IS
'Trigger of public.discount_codes and public.access_codes: refuses to have used_number written by anybody but the triggers of orders.';

REVOKE ALL ON FUNCTION oeventdb_internal.code_uses_kept() FROM PUBLIC;
