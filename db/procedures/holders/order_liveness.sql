-- When an order dies its holders give their admissions up; when it comes to life again they need admissions again, or it cannot.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_liveness() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_is_live boolean := oeventdb_internal.order_is_live(NEW.status);
    v_group record;
    v_claimed integer[];
    v_given integer[];
BEGIN
    -- all holders before the first admission: who is giving admissions back, or has taken some, may not wait for the writer of a holder,
    -- who may be waiting for just those
    PERFORM FROM public.ticket_holders AS h
    WHERE h.order_id = NEW.id AND (h.admission_no IS NULL) = v_is_live
    ORDER BY h.id FOR NO KEY UPDATE;
    -- again until all are done: a holder may move to another ticket while this waits for it
    LOOP
        -- ticket by ticket, in the order in which everybody locks, and all seats of a ticket at once
        FOR v_group IN
            SELECT h.ticket_id, t.event_id, pg_catalog.array_agg(h.id ORDER BY h.id) AS holder_ids
            FROM public.ticket_holders AS h
            INNER JOIN public.tickets AS t ON t.id = h.ticket_id AND t.event_id IS NOT NULL
            WHERE h.order_id = NEW.id AND (h.admission_no IS NULL) = v_is_live
            GROUP BY h.ticket_id, t.event_id
            ORDER BY h.ticket_id
        LOOP
            v_claimed := NULL;
            IF v_is_live THEN
                v_claimed := oeventdb_internal.claim_admissions(
                    v_group.ticket_id, v_group.event_id, pg_catalog.cardinality(v_group.holder_ids)
                );
                IF v_claimed IS NULL THEN
                    PERFORM oeventdb_internal.refuse_sold_out(v_group.ticket_id, pg_catalog.cardinality(v_group.holder_ids));
                END IF;
            END IF;
            WITH given AS (
                UPDATE public.ticket_holders AS h SET admission_no = s.admission_no
                FROM ROWS FROM (pg_catalog.unnest(v_group.holder_ids), pg_catalog.unnest(v_claimed)) AS s (holder_id, admission_no)
                -- not by =, or without statistics all holders of the ticket would be looked through for these
                WHERE h.id = s.holder_id
                    AND h.order_id IS NOT DISTINCT FROM NEW.id AND h.ticket_id IS NOT DISTINCT FROM v_group.ticket_id
                RETURNING h.admission_no
            )
            SELECT pg_catalog.array_agg(g.admission_no) INTO v_given FROM given AS g;
            PERFORM oeventdb_internal.release_admission(v_group.ticket_id, c.admission_no)
            FROM pg_catalog.unnest(v_claimed) AS c (admission_no)
            WHERE v_given IS NULL OR c.admission_no <> ALL (v_given);
        END LOOP;
        EXIT WHEN NOT FOUND;
    END LOOP;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_liveness() IS
'Trigger of public.orders, after status changes between live and dead (cancelled, expired, deleted). Raises OE101 when the admissions are gone.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_liveness() FROM PUBLIC;
