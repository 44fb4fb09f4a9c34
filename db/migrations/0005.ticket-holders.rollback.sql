-- Takes the admissions away again and puts the removed holders, and the events as they were, back in their place.

-- what the migration has journaled may not have been analyzed yet, and would be looked for row by row
ANALYZE oeventdb_internal.journal;

LOCK TABLE public.tickets, public.orders, public.ticket_holders, public.orders_tickets IN ACCESS EXCLUSIVE MODE;

DROP TRIGGER ticket_holder_admission ON public.ticket_holders;

DROP TRIGGER ticket_holder_admission_update ON public.ticket_holders;

DROP TRIGGER ticket_holder_release ON public.ticket_holders;

DROP TRIGGER ticket_holder_release_update ON public.ticket_holders;

DROP TRIGGER ticket_holders_truncated ON public.ticket_holders;

DROP TRIGGER ticket_quantity ON public.tickets;

DROP TRIGGER ticket_removed ON public.tickets;

DROP TRIGGER tickets_truncated ON public.tickets;

DROP TRIGGER ticket_without_event ON public.tickets;

DROP TRIGGER order_liveness ON public.orders;

ALTER TABLE public.ticket_holders
    DROP CONSTRAINT ticket_holders_admission,
    DROP CONSTRAINT ticket_holders_admission_complete,
    DROP CONSTRAINT ticket_event,
    DROP CONSTRAINT ticket_holders_ticket,
    ADD CONSTRAINT ticket_holders_ticket_id_fkey FOREIGN KEY (ticket_id) REFERENCES public.tickets ON DELETE CASCADE NOT VALID;

SELECT oeventdb_internal.validate_reference('public.ticket_holders', 'ticket_holders_ticket_id_fkey');

ALTER TABLE public.orders_tickets
    DROP CONSTRAINT orders_tickets_ticket,
    ADD CONSTRAINT orders_tickets_ticket_id_fkey FOREIGN KEY (ticket_id) REFERENCES public.tickets ON DELETE CASCADE NOT VALID;

SELECT oeventdb_internal.validate_reference('public.orders_tickets', 'orders_tickets_ticket_id_fkey');

SELECT oeventdb_internal.restore_column('0005.ticket-holders');

ALTER TABLE public.tickets DROP CONSTRAINT tickets_quantity;

-- A ticket that was deleted since is told apart no longer once the column is gone.
INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
SELECT '0005.ticket-holders', 'tickets', t.id::text, pg_catalog.to_jsonb(t.*), 'ticket deleted since the migration'
FROM public.tickets AS t
WHERE t.deleted_at IS NOT NULL;

-- >>> db/procedures/holders/ticket_availability.sql
DROP FUNCTION oeventdb.ticket_availability(bigint);
-- <<<

-- >>> db/procedures/holders/remove_ticket_holder.sql
DROP FUNCTION oeventdb.remove_ticket_holder(bigint);
-- <<<

-- >>> db/procedures/holders/add_ticket_holder.sql
DROP FUNCTION oeventdb.add_ticket_holder(bigint, text, text, text);
-- <<<

-- >>> db/procedures/internal/ticket_holder_row.sql
DROP FUNCTION oeventdb_internal.ticket_holder_row(public.ticket_holders);
-- <<<

-- >>> db/procedures/holders/order_liveness.sql
DROP FUNCTION oeventdb_internal.order_liveness();
-- <<<

-- >>> db/procedures/holders/ticket_holder_release.sql
DROP FUNCTION oeventdb_internal.ticket_holder_release();
-- <<<

-- >>> db/procedures/holders/release_unheld_admissions.sql
DROP FUNCTION oeventdb_internal.release_unheld_admissions();
-- <<<

-- >>> db/procedures/holders/ticket_holder_admission.sql
DROP FUNCTION oeventdb_internal.ticket_holder_admission();
-- <<<

-- >>> db/procedures/holders/ticket_removed.sql
DROP FUNCTION oeventdb_internal.ticket_removed();
-- <<<

-- >>> db/procedures/holders/ticket_quantity.sql
DROP FUNCTION oeventdb_internal.ticket_quantity();
-- <<<

-- >>> db/procedures/holders/resize_ticket.sql
DROP FUNCTION oeventdb_internal.resize_ticket(bigint, bigint, integer, integer);
-- <<<

-- >>> db/procedures/holders/await_lower_numbers.sql
DROP FUNCTION oeventdb_internal.await_lower_numbers(bigint, integer, timestamptz);
-- <<<

-- >>> db/procedures/holders/shrink_ticket.sql
DROP FUNCTION oeventdb_internal.shrink_ticket(bigint, bigint, integer);
-- <<<

-- >>> db/procedures/holders/drop_free_admissions.sql
DROP FUNCTION oeventdb_internal.drop_free_admissions(bigint, integer);
-- <<<

-- >>> db/procedures/holders/release_admission.sql
DROP FUNCTION oeventdb_internal.release_admission(bigint, integer);
-- <<<

-- >>> db/procedures/holders/take_admission.sql
DROP FUNCTION oeventdb_internal.take_admission(bigint, bigint, integer);
-- <<<

-- >>> db/procedures/holders/claim_admission.sql
DROP FUNCTION oeventdb_internal.claim_admission(bigint, bigint);
-- <<<

-- >>> db/procedures/holders/claim_admissions.sql
DROP FUNCTION oeventdb_internal.claim_admissions(bigint, bigint, integer);
-- <<<

-- >>> db/procedures/holders/lock_ticket.sql
DROP FUNCTION IF EXISTS oeventdb_internal.lock_ticket;
-- <<<

-- >>> db/procedures/holders/await_admissions.sql
DROP FUNCTION oeventdb_internal.await_admissions(bigint, integer, timestamptz);
-- <<<

-- >>> db/procedures/holders/claim_turn.sql
DROP FUNCTION IF EXISTS oeventdb_internal.claim_turn;
-- <<<

-- >>> db/procedures/holders/claim_patience.sql
DROP FUNCTION oeventdb_internal.claim_patience();
-- <<<

-- >>> db/procedures/holders/take_free_admissions.sql
DROP FUNCTION oeventdb_internal.take_free_admissions(bigint, integer);
-- <<<

-- >>> db/procedures/internal/refuse_sold_out.sql
DROP FUNCTION oeventdb_internal.refuse_sold_out(bigint, integer);
-- <<<

-- >>> db/procedures/holders/count_free_admissions.sql
DROP FUNCTION oeventdb_internal.count_free_admissions(bigint);
-- <<<

-- >>> db/procedures/holders/add_admissions.sql
DROP FUNCTION oeventdb_internal.add_admissions(bigint, bigint, integer, integer, integer);
-- <<<

-- >>> db/procedures/holders/open_next_range.sql
DROP FUNCTION oeventdb_internal.open_next_range(bigint, bigint);
-- <<<

-- >>> db/procedures/holders/open_admissions.sql
DROP FUNCTION oeventdb_internal.open_admissions(bigint, bigint, integer, integer);
-- <<<

-- >>> db/procedures/holders/release_lock.sql
DROP FUNCTION oeventdb_internal.release_lock(bigint);
-- <<<

-- >>> db/procedures/holders/admission_place.sql
DROP FUNCTION oeventdb_internal.admission_place(integer);
-- <<<

-- >>> db/procedures/internal/require_ticket.sql
DROP FUNCTION oeventdb_internal.require_ticket(bigint);
-- <<<

-- >>> db/procedures/internal/require_text.sql
DROP FUNCTION oeventdb_internal.require_text(text, text);
-- <<<

-- >>> db/procedures/internal/refuse_wrong_event.sql
DROP FUNCTION oeventdb_internal.refuse_wrong_event(text, bigint, bigint);
-- <<<

-- >>> db/procedures/internal/order_is_live.sql
DROP FUNCTION oeventdb_internal.order_is_live(text);
-- <<<

ALTER TABLE public.ticket_holders DROP COLUMN admission_no;

ALTER TABLE public.tickets DROP COLUMN deleted_at;

-- all in one statement, with the columns of the youngest; of a person who was erased, the name is missing
DO $$
DECLARE
    v_youngest jsonb := (
        SELECT j.old_row FROM oeventdb_internal.journal AS j
        WHERE j.migration = '0005.ticket-holders' AND j.reason = 'holder beyond the quantity, removed' AND j.old_row ? 'firstname'
        ORDER BY j.id DESC LIMIT 1
    );
    v_columns record;
    v_nested text := pg_catalog.current_setting('enable_nestloop');
    v_rows bigint;
    v_first bigint;
BEGIN
    SELECT c.names, c.row_values INTO v_columns FROM oeventdb_internal.old_row_columns('public.ticket_holders', v_youngest) AS c;
    IF v_columns.names IS NOT NULL THEN
        -- how many come back nobody knows before: taken for few, they would be compared each with each
        PERFORM pg_catalog.set_config('enable_nestloop', 'off', true);
        EXECUTE pg_catalog.format(
            $query$
            WITH removed AS (
                -- the youngest of those that had one id
                SELECT DISTINCT ON (h.id) h.*, j.id AS oeventdb_journal_id
                FROM oeventdb_internal.journal AS j
                CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::public.ticket_holders, j.old_row) AS h
                WHERE j.migration = '0005.ticket-holders' AND j.reason = 'holder beyond the quantity, removed'
                    AND j.restored_at IS NULL AND j.old_row ? 'firstname'
                    AND EXISTS (SELECT FROM public.tickets AS t WHERE t.id = h.ticket_id)
                    AND (h.order_id IS NULL OR EXISTS (SELECT FROM public.orders AS o WHERE o.id = h.order_id))
                    AND (h.event_id IS NULL OR EXISTS (SELECT FROM public.events AS e WHERE e.id = h.event_id))
                ORDER BY h.id, j.id DESC
            ), restored AS (
                INSERT INTO public.ticket_holders (%1$s) OVERRIDING SYSTEM VALUE
                SELECT %2$s FROM removed
                ON CONFLICT %3$s DO NOTHING
                RETURNING id
            )
            DELETE FROM oeventdb_internal.journal AS j USING restored AS r, removed AS m WHERE m.id = r.id AND j.id = m.oeventdb_journal_id
            $query$, v_columns.names, v_columns.row_values,
            -- of all unique keys, unless one is DEFERRABLE: that is an error
            CASE WHEN EXISTS (
                SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = 'public.ticket_holders'::regclass AND NOT i.indimmediate
            ) THEN '(id)' END
        );
        PERFORM pg_catalog.set_config('enable_nestloop', v_nested, true);
    END IF;
    -- whether it was gone before the migration already, when the holder could be there without it, nobody knows
    SELECT pg_catalog.count(*), pg_catalog.min(j.id) INTO v_rows, v_first
    FROM oeventdb_internal.journal AS j
    WHERE j.migration = '0005.ticket-holders' AND j.reason = 'holder beyond the quantity, removed'
        AND j.restored_at IS NULL AND j.old_row ? 'firstname';
    IF v_rows > 0 THEN
        RAISE WARNING '% of the removed holders stay in quarantine, e.g. entry %: their ticket, order or event is gone, or their id is in use',
            v_rows, v_first;
    END IF;
END
$$;

-- what pointed at them, the outer rows first
DO $$
DECLARE
    v_left record;
BEGIN
    -- a row may point at one that comes back after it: whoever says what can't come back asks again
    PERFORM oeventdb_internal.restore_dependents(s.caused_by)
    FROM (
        SELECT DISTINCT j.caused_by FROM oeventdb_internal.journal AS j
        WHERE j.migration = '0005.ticket-holders' AND j.caused_by IS NOT NULL AND j.restored_at IS NULL
        ORDER BY j.caused_by
    ) AS s;
    FOR v_left IN
        SELECT j.table_name, d.problem, pg_catalog.count(DISTINCT j.id) AS rows, pg_catalog.min(j.id) AS first_id
        FROM (
            SELECT DISTINCT j.caused_by FROM oeventdb_internal.journal AS j
            WHERE j.migration = '0005.ticket-holders' AND j.caused_by IS NOT NULL AND j.restored_at IS NULL
            ORDER BY j.caused_by
        ) AS s
        CROSS JOIN LATERAL oeventdb_internal.restore_dependents(s.caused_by) AS d
        INNER JOIN oeventdb_internal.journal AS j ON j.id = d.journal_id
        GROUP BY j.table_name, d.problem
    LOOP
        RAISE WARNING '% of the rows of % that went with holders stay in quarantine, e.g. entry %: %',
            v_left.rows, v_left.table_name, v_left.first_id, v_left.problem;
    END LOOP;
END
$$;

DELETE FROM oeventdb_internal.journal AS j
WHERE j.migration = '0005.ticket-holders' AND j.caused_by IS NOT NULL AND j.restored_at >= pg_catalog.now();

WITH restored AS (
    UPDATE public.ticket_holders AS h SET event_id = (j.old_row ->> 'event_id')::bigint
    FROM oeventdb_internal.journal AS j, public.tickets AS t
    WHERE j.migration = '0005.ticket-holders' AND j.table_name = 'ticket_holders' AND j.restored_at IS NULL
        AND j.reason IN (oeventdb_internal.event_correction(NULL), oeventdb_internal.event_correction(0))
        AND j.old_row ? 'event_id'
        AND h.id::text = j.key AND h.ticket_id::text = j.old_row ->> 'ticket_id' AND t.id = h.ticket_id AND h.event_id = t.event_id
        -- one that is gone cannot be put back
        AND (j.old_row ->> 'event_id' IS NULL OR (j.old_row ->> 'event_id')::bigint IN (SELECT e.id FROM public.events AS e))
    RETURNING j.id
)
DELETE FROM oeventdb_internal.journal AS j USING restored AS r WHERE j.id = r.id;

-- another event or ticket was written since: on the next way down these say nothing of what is there then
UPDATE oeventdb_internal.journal AS j SET reason = pg_catalog.format('%s, kept by a rollback', j.reason)
WHERE j.migration = '0005.ticket-holders' AND j.table_name = 'ticket_holders' AND j.restored_at IS NULL
    AND j.reason IN (oeventdb_internal.event_correction(NULL), oeventdb_internal.event_correction(0));

-- >>> db/procedures/internal/event_correction.sql
DROP FUNCTION oeventdb_internal.event_correction(bigint);
-- <<<

DROP INDEX public.ticket_holders_order;

DROP TYPE oeventdb.ticket_holder;

DROP TABLE oeventdb_internal.admission_ranges;

DROP TABLE oeventdb_internal.free_admissions;

DROP TABLE oeventdb_internal.admissions;

DROP INDEX public.tickets_event;
