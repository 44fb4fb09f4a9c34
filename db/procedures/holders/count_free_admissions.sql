-- What is left of a ticket: its open free admissions and what its unopened ranges hold.
CREATE OR REPLACE FUNCTION oeventdb_internal.count_free_admissions(
    ticket_id bigint
) RETURNS bigint
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT
        (SELECT pg_catalog.count(*) FROM oeventdb_internal.free_admissions AS f WHERE f.ticket_id = count_free_admissions.ticket_id)
        + (
            SELECT COALESCE(pg_catalog.sum(r.last_no::bigint - r.first_no + 1), 0)::bigint
            FROM oeventdb_internal.admission_ranges AS r WHERE r.ticket_id = count_free_admissions.ticket_id
        )
$function$;

COMMENT ON FUNCTION oeventdb_internal.count_free_admissions(bigint) IS
'How many admissions of a ticket nobody holds. An unlimited ticket counts up to 2147483647.';

REVOKE ALL ON FUNCTION oeventdb_internal.count_free_admissions(bigint) FROM PUBLIC;
