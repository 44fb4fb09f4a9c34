-- Only the migration marks feedback as superseded: nobody adds a second voice by saying that it does not count.
CREATE OR REPLACE FUNCTION oeventdb_internal.feedback_superseded() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    NEW.is_superseded := TG_OP = 'UPDATE' AND OLD.is_superseded;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.feedback_superseded() IS
'Trigger of public.feedback, when a row is written as superseded: it stays what it was, and a new one is not superseded.';

REVOKE ALL ON FUNCTION oeventdb_internal.feedback_superseded() FROM PUBLIC;
