-- The free admissions of a ticket go with it, or with its event; held ones keep it from being deleted and in its event.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_removed() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        TRUNCATE oeventdb_internal.free_admissions, oeventdb_internal.admission_ranges;
        RETURN NULL;
    ELSIF TG_OP = 'UPDATE' THEN
        -- of a deleted ticket its foreign key has deleted them
        DELETE FROM oeventdb_internal.admissions AS a WHERE a.ticket_id = OLD.id AND a.event_id = OLD.event_id;
    END IF;
    -- what others have given back since the snapshot of this transaction it could not see: it must fail
    PERFORM FROM public.ticket_holders AS h WHERE h.ticket_id = OLD.id AND h.admission_no IS NOT NULL FOR KEY SHARE;
    DELETE FROM oeventdb_internal.free_admissions AS f WHERE f.ticket_id = OLD.id;
    DELETE FROM oeventdb_internal.admission_ranges AS r WHERE r.ticket_id = OLD.id;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_removed() IS
'Trigger of public.tickets, after a ticket is deleted or all are truncated, and before one is left without an event.
Not a foreign key of those tables: it would be checked for each admission that is opened.';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_removed() FROM PUBLIC;
