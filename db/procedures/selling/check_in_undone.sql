-- A holder who is not checked in has no time of check-in, whoever took it back.
CREATE OR REPLACE FUNCTION oeventdb_internal.check_in_undone() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    NEW.checked_in_at := NULL;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.check_in_undone() IS
'Trigger of public.ticket_holders, before a row is written that is not checked in: clears checked_in_at.';

REVOKE ALL ON FUNCTION oeventdb_internal.check_in_undone() FROM PUBLIC;
