-- Free admissions that nobody else is taking are taken from a random place on: nobody waits behind the buyer of another admission.
CREATE OR REPLACE FUNCTION oeventdb_internal.take_free_admissions(
    ticket_id bigint,
    wanted integer
) RETURNS integer[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- once, into a variable: in the query it would be evaluated for every row
    v_place integer := pg_catalog.floor(pg_catalog.random() * 2147483648)::bigint;
    v_taken integer[];
    v_more integer[];
BEGIN
    WITH taken AS (
        DELETE FROM oeventdb_internal.free_admissions AS a
        WHERE a.ctid = ANY (ARRAY(
            SELECT f.ctid FROM oeventdb_internal.free_admissions AS f
            WHERE f.ticket_id = take_free_admissions.ticket_id AND f.place >= v_place
            ORDER BY f.place LIMIT take_free_admissions.wanted
            FOR UPDATE SKIP LOCKED
        ))
        RETURNING a.admission_no
    )
    SELECT pg_catalog.array_agg(t.admission_no) INTO v_taken FROM taken AS t;

    IF COALESCE(pg_catalog.cardinality(v_taken), 0) < take_free_admissions.wanted THEN
        WITH taken AS (
            DELETE FROM oeventdb_internal.free_admissions AS a
            WHERE a.ctid = ANY (ARRAY(
                SELECT f.ctid FROM oeventdb_internal.free_admissions AS f
                WHERE f.ticket_id = take_free_admissions.ticket_id AND f.place < v_place
                ORDER BY f.place LIMIT take_free_admissions.wanted - COALESCE(pg_catalog.cardinality(v_taken), 0)
                FOR UPDATE SKIP LOCKED
            ))
            RETURNING a.admission_no
        )
        SELECT pg_catalog.array_agg(t.admission_no) INTO v_more FROM taken AS t;
    END IF;
    RETURN COALESCE(v_taken, '{}') || COALESCE(v_more, '{}');
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.take_free_admissions(bigint, integer) IS
'Takes up to wanted free admissions of a ticket and returns their numbers; fewer, or none, when no more are free and unlocked.';

REVOKE ALL ON FUNCTION oeventdb_internal.take_free_admissions(bigint, integer) FROM PUBLIC;
