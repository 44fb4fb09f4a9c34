-- Admissions beyond a ticket's quantity are on sale no more.
CREATE OR REPLACE FUNCTION oeventdb_internal.drop_free_admissions(
    ticket_id bigint,
    quantity integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- lock before deciding: a range that a buyer is opening changes its bounds
    PERFORM FROM oeventdb_internal.admission_ranges AS r
    WHERE r.ticket_id = drop_free_admissions.ticket_id AND r.last_no > drop_free_admissions.quantity
    ORDER BY r.first_no FOR UPDATE;
    DELETE FROM oeventdb_internal.admission_ranges AS r
    WHERE r.ticket_id = drop_free_admissions.ticket_id AND r.first_no > drop_free_admissions.quantity;
    UPDATE oeventdb_internal.admission_ranges AS r SET last_no = drop_free_admissions.quantity
    WHERE r.ticket_id = drop_free_admissions.ticket_id AND r.last_no > drop_free_admissions.quantity;
    DELETE FROM oeventdb_internal.free_admissions AS f
    WHERE f.ticket_id = drop_free_admissions.ticket_id AND f.admission_no > drop_free_admissions.quantity;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.drop_free_admissions(bigint, integer) IS
'Takes the free admissions of a ticket with numbers beyond quantity off sale; waits for buyers who are taking one of them.';

REVOKE ALL ON FUNCTION oeventdb_internal.drop_free_admissions(bigint, integer) FROM PUBLIC;
