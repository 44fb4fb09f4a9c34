-- A ticket has the admissions 1..quantity (NULL: unlimited): raising the quantity adds some, lowering it below what is held is refused.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_quantity() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
BEGIN
    IF TG_OP = 'INSERT' AND EXISTS (SELECT FROM public.ticket_holders AS h WHERE h.ticket_id = NEW.id) THEN
        -- one statement may delete a ticket and write it again, and no foreign key minds
        RAISE EXCEPTION 'ticket % has holders and cannot be deleted', NEW.id
            USING ERRCODE = 'foreign_key_violation', SCHEMA = 'public', TABLE = 'ticket_holders',
                  CONSTRAINT = 'ticket_holders_ticket';
    END IF;
    IF TG_OP = 'UPDATE' AND (NEW.id, NEW.event_id) IS DISTINCT FROM (OLD.id, OLD.event_id) THEN
        -- holders written, and admissions given back, since an older snapshot would stay behind
        PERFORM oeventdb_internal.require_read_committed('a ticket gets another id or event');
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.event_id IS DISTINCT FROM OLD.event_id THEN
        IF EXISTS (SELECT FROM public.ticket_holders AS h WHERE h.ticket_id = NEW.id AND h.event_id = OLD.event_id) THEN
            -- the foreign key sees to those with an admission; those of dead orders would be of another event
            RAISE EXCEPTION 'ticket % has holders and stays in its event', NEW.id
                USING ERRCODE = 'foreign_key_violation', SCHEMA = 'public', TABLE = 'ticket_holders',
                      CONSTRAINT = 'ticket_holders_admission';
        END IF;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.id <> OLD.id THEN
        UPDATE oeventdb_internal.free_admissions AS f SET ticket_id = NEW.id WHERE f.ticket_id = OLD.id;
        UPDATE oeventdb_internal.admission_ranges AS r SET ticket_id = NEW.id WHERE r.ticket_id = OLD.id;
    END IF;
    IF TG_OP = 'UPDATE' AND COALESCE(NEW.quantity, 2147483647) > COALESCE(OLD.quantity, 2147483647) THEN
        -- a buyer who finds the ticket sold out waits for the admissions that are being added
        PERFORM pg_catalog.pg_advisory_xact_lock_shared(oeventdb_internal.release_lock(NEW.id));
    END IF;
    IF NEW.event_id IS NOT NULL THEN
        PERFORM oeventdb_internal.resize_ticket(
            NEW.id, NEW.event_id,
            CASE WHEN TG_OP = 'INSERT' OR OLD.event_id IS NULL THEN 0
                 ELSE GREATEST(COALESCE(OLD.quantity, 2147483647), 0) END,
            GREATEST(COALESCE(NEW.quantity, 2147483647), 0)
        );
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_quantity() IS
'Trigger of public.tickets: gives the ticket as many admissions as its quantity. Raises OE104 below what is held,
foreign_key_violation when a ticket with holders would change its event (in the name of ticket_holders_admission) or be replaced by another with its
id (ticket_holders_ticket), feature_not_supported when a ticket would change its id or event under REPEATABLE READ or SERIALIZABLE.';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_quantity() FROM PUBLIC;
