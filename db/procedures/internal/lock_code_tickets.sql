-- Whoever changes the tickets of a code locks first those that it has and those that it gets, in one order for everybody.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_code_tickets(
    discount_code_id bigint,
    ticket_ids bigint[]
) RETURNS bigint[]
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT ARRAY(
        SELECT t.id::bigint FROM public.tickets AS t
        WHERE t.discount_code_id = lock_code_tickets.discount_code_id OR t.id = ANY (lock_code_tickets.ticket_ids)
        ORDER BY t.id FOR NO KEY UPDATE
    )
$function$;

COMMENT ON FUNCTION oeventdb_internal.lock_code_tickets(bigint, bigint[]) IS
'Locks the tickets of a code, and those in ticket_ids, and returns their ids. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_code_tickets(bigint, bigint[]) FROM PUBLIC;
