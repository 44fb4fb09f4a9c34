-- Too few admissions are free: wait for one that another transaction is taking, or giving back, and hold nothing meanwhile.
CREATE OR REPLACE FUNCTION oeventdb_internal.await_admissions(
    ticket_id bigint,
    wanted integer,
    deadline timestamptz
) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_place integer := pg_catalog.floor(pg_catalog.random() * 2147483648)::bigint;
    v_visible bigint;
    v_unopened bigint;
    v_turn integer := oeventdb_internal.claim_turn(await_admissions.deadline);
BEGIN
    IF v_turn < 1 THEN
        RETURN false;
    END IF;

    -- The locks are taken in blocks that are rolled back: having waited for them is all that is wanted, and kept they would make deadlocks.
    BEGIN
        PERFORM pg_catalog.set_config('lock_timeout', v_turn::text, true);
        PERFORM pg_catalog.pg_advisory_xact_lock(oeventdb_internal.release_lock(await_admissions.ticket_id));
        RAISE EXCEPTION USING ERRCODE = 'OE001';
    EXCEPTION
        WHEN SQLSTATE 'OE001' THEN NULL;
        WHEN lock_not_available THEN RETURN true;
    END;

    -- in one statement: between two looks a range may be opened, and what it held be in neither
    SELECT (
        SELECT pg_catalog.count(*) FROM (
            SELECT FROM oeventdb_internal.free_admissions AS f
            WHERE f.ticket_id = await_admissions.ticket_id LIMIT await_admissions.wanted
        ) AS s
    ), (
        SELECT COALESCE(pg_catalog.sum(r.last_no::bigint - r.first_no + 1), 0)
        FROM oeventdb_internal.admission_ranges AS r WHERE r.ticket_id = await_admissions.ticket_id
    ) INTO v_visible, v_unopened;
    IF v_visible + v_unopened < await_admissions.wanted THEN
        RETURN false;
    END IF;

    BEGIN
        PERFORM pg_catalog.set_config('lock_timeout', v_turn::text, true);
        IF v_visible < await_admissions.wanted THEN
            PERFORM FROM oeventdb_internal.admission_ranges AS r
            WHERE r.ticket_id = await_admissions.ticket_id LIMIT 1 FOR UPDATE;
        ELSE
            PERFORM FROM oeventdb_internal.free_admissions AS f
            WHERE f.ticket_id = await_admissions.ticket_id AND f.place >= v_place
            ORDER BY f.place LIMIT 1 FOR UPDATE;
            IF NOT FOUND THEN
                PERFORM FROM oeventdb_internal.free_admissions AS f
                WHERE f.ticket_id = await_admissions.ticket_id AND f.place < v_place
                ORDER BY f.place LIMIT 1 FOR UPDATE;
            END IF;
        END IF;
        RAISE EXCEPTION USING ERRCODE = 'OE001';
    EXCEPTION
        WHEN SQLSTATE 'OE001' OR lock_not_available THEN RETURN true;
    END;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.await_admissions(bigint, integer, timestamptz) IS
'Waits until an admission of the ticket may have come free, or for a turn. True: worth another look. False: so many are not to be had, or the
deadline has passed.';

REVOKE ALL ON FUNCTION oeventdb_internal.await_admissions(bigint, integer, timestamptz) FROM PUBLIC;
