-- Every state an order gets into is written down, with who brought it about; nothing of it is ever changed.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_history() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO oeventdb_internal.order_history (order_id, from_status, to_status, changed_by, application_user)
    VALUES (
        NEW.id,
        CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END,
        NEW.status,
        -- current_user is the owner in here; this is what it was outside
        COALESCE(NULLIF(pg_catalog.current_setting('role'), 'none'), session_user),
        NULLIF(pg_catalog.current_setting('oeventdb.user', true), '')
    );
    -- what a client has seen committed must outlive a crash, whatever the session has set
    IF pg_catalog.current_setting('synchronous_commit') = 'off' THEN
        PERFORM pg_catalog.set_config('synchronous_commit', 'local', true);
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_history() IS
'Trigger of public.orders: appends to oeventdb_internal.order_history when an order is made or its status changes;
with synchronous_commit off, local for this transaction.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_history() FROM PUBLIC;
