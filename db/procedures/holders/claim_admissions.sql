-- A buyer gets all the admissions asked for or none, waits only when too few are free, and is refused only when none can come free.
CREATE OR REPLACE FUNCTION oeventdb_internal.claim_admissions(
    ticket_id bigint,
    event_id bigint,
    wanted integer
) RETURNS integer[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_claimed integer[];
    v_deadline timestamptz;
BEGIN
    LOOP
        BEGIN
            PERFORM oeventdb_internal.lock_ticket(claim_admissions.ticket_id, claim_admissions.event_id);
            v_claimed := oeventdb_internal.take_free_admissions(claim_admissions.ticket_id, claim_admissions.wanted);
            WHILE pg_catalog.cardinality(v_claimed) < claim_admissions.wanted LOOP
                IF NOT oeventdb_internal.open_next_range(claim_admissions.ticket_id, claim_admissions.event_id) THEN
                    -- give back what is already taken before waiting for more: two buyers who each hold a part would wait for each other
                    RAISE EXCEPTION USING ERRCODE = 'OE001';
                END IF;
                v_claimed := v_claimed || oeventdb_internal.take_free_admissions(
                    claim_admissions.ticket_id, claim_admissions.wanted - pg_catalog.cardinality(v_claimed)
                );
            END LOOP;
            RETURN v_claimed;
        EXCEPTION WHEN SQLSTATE 'OE001' THEN
            v_deadline := COALESCE(v_deadline, pg_catalog.clock_timestamp() + oeventdb_internal.claim_patience());
        END;
        IF NOT oeventdb_internal.await_admissions(claim_admissions.ticket_id, claim_admissions.wanted, v_deadline) THEN
            RETURN NULL;
        END IF;
        -- for place_order, to the end of the transaction
        PERFORM pg_catalog.set_config('oeventdb.has_waited', 'on', true);
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.claim_admissions(bigint, bigint, integer) IS
'Takes wanted admissions of a ticket and returns their numbers, or NULL when so many are not to be had. Waits, at most claim_patience(), while
unfinished transactions of others hold admissions that may come free. Raises OE105 for a ticket that has gone to another event by then, OE404
for one that is gone.';

REVOKE ALL ON FUNCTION oeventdb_internal.claim_admissions(bigint, bigint, integer) FROM PUBLIC;
