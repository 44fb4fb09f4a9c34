-- Who shrinks a ticket waits for holders that are being written and for numbers that are being taken or given back, and holds nothing meanwhile.
CREATE OR REPLACE FUNCTION oeventdb_internal.await_lower_numbers(
    ticket_id bigint,
    quantity integer,
    deadline timestamptz
) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_turn integer := oeventdb_internal.claim_turn(await_lower_numbers.deadline);
    v_holders bigint[];
    v_unlocked bigint[];
    v_visible bigint;
    v_unopened bigint;
BEGIN
    IF v_turn < 1 THEN
        RETURN false;
    END IF;

    -- Locks are taken in blocks that are rolled back: having waited for them is all that is wanted, and kept they would make deadlocks.
    BEGIN
        PERFORM pg_catalog.set_config('lock_timeout', v_turn::text, true);
        PERFORM pg_catalog.pg_advisory_xact_lock(oeventdb_internal.release_lock(await_lower_numbers.ticket_id));
        RAISE EXCEPTION USING ERRCODE = 'OE001';
    EXCEPTION
        WHEN SQLSTATE 'OE001' THEN NULL;
        WHEN lock_not_available THEN RETURN true;
    END;

    SELECT COALESCE(pg_catalog.array_agg(h.id), '{}') INTO v_holders FROM public.ticket_holders AS h
    WHERE h.ticket_id = await_lower_numbers.ticket_id AND h.admission_no > await_lower_numbers.quantity;
    -- in one statement: between two looks a range may be opened, and what it held be in neither
    SELECT (
        SELECT pg_catalog.count(*) FROM (
            SELECT FROM oeventdb_internal.free_admissions AS f
            WHERE f.ticket_id = await_lower_numbers.ticket_id AND f.admission_no <= await_lower_numbers.quantity
            LIMIT pg_catalog.cardinality(v_holders)
        ) AS s
    ), (
        SELECT COALESCE(pg_catalog.sum(LEAST(r.last_no, await_lower_numbers.quantity)::bigint - r.first_no + 1), 0)
        FROM oeventdb_internal.admission_ranges AS r
        WHERE r.ticket_id = await_lower_numbers.ticket_id AND r.first_no <= await_lower_numbers.quantity
    ) INTO v_visible, v_unopened;
    IF v_visible + v_unopened < pg_catalog.cardinality(v_holders) THEN
        RETURN false;
    END IF;

    BEGIN
        PERFORM pg_catalog.set_config('lock_timeout', v_turn::text, true);
        PERFORM FROM oeventdb_internal.free_admissions AS f
        WHERE f.ticket_id = await_lower_numbers.ticket_id AND f.admission_no <= await_lower_numbers.quantity
        LIMIT pg_catalog.cardinality(v_holders) FOR UPDATE;
        PERFORM FROM oeventdb_internal.admission_ranges AS r
        WHERE r.ticket_id = await_lower_numbers.ticket_id LIMIT 1 FOR UPDATE;
        v_unlocked := ARRAY(SELECT h.id FROM public.ticket_holders AS h WHERE h.id = ANY (v_holders) FOR NO KEY UPDATE SKIP LOCKED);
        RAISE EXCEPTION USING ERRCODE = 'OE001';
    EXCEPTION
        WHEN SQLSTATE 'OE001' THEN NULL;
        WHEN lock_not_available OR internal_error THEN RETURN true;
    END;

    -- one alone: two that are locked one after the other could be half of a circle
    BEGIN
        PERFORM pg_catalog.set_config('lock_timeout', v_turn::text, true);
        PERFORM FROM public.ticket_holders AS h
        WHERE h.id = (SELECT w.id FROM pg_catalog.unnest(v_holders) AS w (id) WHERE w.id <> ALL (v_unlocked) LIMIT 1)
        FOR NO KEY UPDATE;
        RAISE EXCEPTION USING ERRCODE = 'OE001';
    EXCEPTION
        WHEN SQLSTATE 'OE001' OR lock_not_available OR internal_error THEN RETURN true;
    END;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.await_lower_numbers(bigint, integer, timestamptz) IS
'Waits until the holders beyond quantity may be given numbers up to it, or for a turn. True: worth another try. False: there are too few, or the
deadline has passed.';

REVOKE ALL ON FUNCTION oeventdb_internal.await_lower_numbers(bigint, integer, timestamptz) FROM PUBLIC;
