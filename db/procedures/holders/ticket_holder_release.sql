-- A holder that is deleted, or changes its admission, gives the old one back at once; so do all that are truncated.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_holder_release() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM oeventdb_internal.require_read_committed('ticket_holders is truncated', 'DELETE');
        PERFORM oeventdb_internal.release_unheld_admissions();
        RETURN NULL;
    END IF;
    -- not when the ticket itself is being deleted with all its admissions, nor when this statement has handed the number on to another holder
    IF EXISTS (
        SELECT FROM oeventdb_internal.admissions AS a
        WHERE a.ticket_id = OLD.ticket_id AND a.event_id = OLD.event_id AND a.admission_no = OLD.admission_no
    ) AND NOT EXISTS (
        SELECT FROM public.ticket_holders AS h
        WHERE h.ticket_id = OLD.ticket_id AND h.event_id = OLD.event_id AND h.admission_no = OLD.admission_no
    ) THEN
        PERFORM oeventdb_internal.release_admission(OLD.ticket_id, OLD.admission_no);
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_holder_release() IS
'Trigger of public.ticket_holders, after a holder that held an admission is deleted or holds it no more, and after all are truncated (0A000 under
REPEATABLE READ and SERIALIZABLE).';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_holder_release() FROM PUBLIC;
