-- Admissions that nobody holds, and that are not free either, are free again.
-- Both are looked for by the columns of a key: then even a plan made without statistics reads one row for each admission, not all of them.
CREATE OR REPLACE FUNCTION oeventdb_internal.release_unheld_admissions() RETURNS void
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
    -- a buyer who finds too few waits for what is about to come free
    SELECT pg_catalog.pg_advisory_xact_lock_shared(s.release_lock) FROM (
        SELECT DISTINCT oeventdb_internal.release_lock(t.id) AS release_lock FROM public.tickets AS t ORDER BY 1
    ) AS s;
    INSERT INTO oeventdb_internal.free_admissions (ticket_id, place, admission_no)
    SELECT a.ticket_id, oeventdb_internal.admission_place(a.admission_no), a.admission_no
    FROM oeventdb_internal.admissions AS a
    LEFT JOIN public.ticket_holders AS h USING (ticket_id, event_id, admission_no)
    LEFT JOIN oeventdb_internal.free_admissions AS f
        ON f.ticket_id = a.ticket_id AND f.place = oeventdb_internal.admission_place(a.admission_no)
    WHERE h.id IS NULL AND f.place IS NULL
$function$;

COMMENT ON FUNCTION oeventdb_internal.release_unheld_admissions() IS
'Puts the admissions of all tickets that no holder holds among the free ones. To be called when nobody can write holders, with a snapshot of then.';

REVOKE ALL ON FUNCTION oeventdb_internal.release_unheld_admissions() FROM PUBLIC;
