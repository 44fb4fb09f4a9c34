-- A ticket admits 1..quantity people: each holder holds one numbered admission, and overselling is impossible by constraint.
-- transactional: false
-- depends: 0004.feedback

ALTER TABLE public.tickets ADD COLUMN IF NOT EXISTS deleted_at timestamptz;

SELECT oeventdb_internal.drop_unfinished_index('tickets_event');

CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS tickets_event ON public.tickets (event_id, id);

SELECT oeventdb_internal.drop_unfinished_index('ticket_holders_order');

CREATE INDEX CONCURRENTLY IF NOT EXISTS ticket_holders_order ON public.ticket_holders (order_id) WHERE order_id IS NOT NULL;

ALTER TABLE public.ticket_holders ADD COLUMN IF NOT EXISTS admission_no integer;

COMMENT ON COLUMN public.ticket_holders.admission_no IS
'Which of the admissions 1..quantity of the ticket the holder holds; NULL without ticket, or in an order that is cancelled, expired or deleted.';

CREATE TABLE IF NOT EXISTS oeventdb_internal.admissions (
    ticket_id bigint NOT NULL,
    event_id bigint NOT NULL,
    admission_no integer NOT NULL CONSTRAINT admissions_admission_no CHECK (admission_no >= 1),
    PRIMARY KEY (ticket_id, event_id, admission_no)
);

COMMENT ON TABLE oeventdb_internal.admissions IS
'The sellable admissions of each ticket that have been opened: what a holder''s foreign key needs. Never more than the quantity.';

CREATE TABLE IF NOT EXISTS oeventdb_internal.free_admissions (
    ticket_id bigint NOT NULL,
    place integer NOT NULL,
    admission_no integer NOT NULL,
    PRIMARY KEY (ticket_id, place)
);

COMMENT ON TABLE oeventdb_internal.free_admissions IS
'The opened admissions that nobody holds; a buyer deletes the one taken. place scatters them, so that buyers meet different ones.';

CREATE TABLE IF NOT EXISTS oeventdb_internal.admission_ranges (
    ticket_id bigint NOT NULL,
    first_no integer NOT NULL,
    last_no integer NOT NULL,
    PRIMARY KEY (ticket_id, first_no),
    CONSTRAINT admission_ranges_order CHECK (first_no <= last_no)
);

COMMENT ON TABLE oeventdb_internal.admission_ranges IS
'The admissions of large tickets that have not been opened yet, as ranges of numbers.';

DO $$
BEGIN
    IF pg_catalog.to_regtype('oeventdb.ticket_holder') IS NULL THEN
        CREATE TYPE oeventdb.ticket_holder AS (
            id bigint, event_id bigint, ticket_id bigint, order_id bigint, admission_no integer,
            firstname text, lastname text, email text, is_checked_in boolean, checkin_times text
        );
        COMMENT ON TYPE oeventdb.ticket_holder IS
        'A person with a ticket: admission_no is 1..quantity of the ticket (NULL: none), checkin_times the times of check-in, comma-separated.';
    END IF;
END
$$;

-- >>> db/procedures/internal/order_is_live.sql
-- An order that is cancelled, expired or deleted is dead; any other, also one without a status, is live and holds admissions.
-- SQL without SET search_path, so that it is inlined; it names nothing but its argument.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_is_live(
    status text
) RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $function$
    SELECT COALESCE(order_is_live.status OPERATOR(pg_catalog.<>) ALL (ARRAY['cancelled', 'expired', 'deleted']), true)
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_is_live(text) IS
'Whether the holders of an order with this status hold their admissions.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_is_live(text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/event_correction.sql
-- A holder whose event is not the ticket's gets the ticket's; the journal says which of two faults it was.
-- SQL without SET search_path, so that it is inlined; it names nothing but its argument.
CREATE OR REPLACE FUNCTION oeventdb_internal.event_correction(
    old_event_id bigint
) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $function$
    SELECT CASE WHEN event_correction.old_event_id IS NULL
        THEN 'event missing, filled in from the ticket' ELSE 'event contradicted the ticket, corrected' END
$function$;

COMMENT ON FUNCTION oeventdb_internal.event_correction(bigint) IS
'The journal''s reason for a holder of old_event_id (NULL: of none) that got its ticket''s event instead.';

REVOKE ALL ON FUNCTION oeventdb_internal.event_correction(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/refuse_wrong_event.sql
-- What belongs to another event is refused in one wording.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_wrong_event(
    resource text,
    id bigint,
    event_id bigint
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE105',
        pg_catalog.format(
            '%s %s does not belong to event %s', pg_catalog.replace(refuse_wrong_event.resource, '_', ' '),
            refuse_wrong_event.id, COALESCE(refuse_wrong_event.event_id::text, 'NULL')
        ),
        pg_catalog.jsonb_build_object(
            'resource', refuse_wrong_event.resource, 'id', refuse_wrong_event.id, 'event_id', refuse_wrong_event.event_id
        ),
        'Name the event that it belongs to; everything in one call is of one event.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_wrong_event(text, bigint, bigint) IS
'Raises OE105 (wrong_event) with the resource, its id and the event_id given.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_wrong_event(text, bigint, bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/require_text.sql
-- A text that must say something may be neither NULL nor blank.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_text(
    argument text,
    value text
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_text.value IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument(require_text.argument, 'is NULL');
    ELSIF pg_catalog.btrim(require_text.value, E' \t\n\r\f\x0B') = '' THEN
        PERFORM oeventdb_internal.refuse_argument(require_text.argument, 'is empty');
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_text(text, text) IS
'Raises OE400 for a NULL or blank value of the argument.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_text(text, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/internal/require_ticket.sql
-- A function that works on one ticket starts by making sure that the ticket exists.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_ticket(
    ticket_id bigint
) RETURNS bigint
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_event_id bigint;
BEGIN
    IF require_ticket.ticket_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('ticket_id', 'is NULL');
    END IF;

    SELECT t.event_id INTO v_event_id FROM public.tickets AS t WHERE t.id = require_ticket.ticket_id AND t.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket', require_ticket.ticket_id);
    END IF;
    RETURN v_event_id;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_ticket(bigint) IS
'The event of the ticket. Raises OE400 for NULL, OE404 for an unknown or deleted ticket.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_ticket(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/admission_place.sql
-- Free admissions lie in scattered order, so that buyers who start at random places meet different ones, however few are left.
-- SQL without SET search_path, so that it is inlined; the multiplier is odd, so no two admissions of a ticket share a place.
CREATE OR REPLACE FUNCTION oeventdb_internal.admission_place(
    admission_no integer
) RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $function$
    SELECT ((admission_place.admission_no::bigint OPERATOR(pg_catalog.*) 1640531527) OPERATOR(pg_catalog.&) 2147483647)::integer
$function$;

COMMENT ON FUNCTION oeventdb_internal.admission_place(integer) IS
'Where a free admission of a ticket is looked for: a scattering of its number over 0..2147483647, one to one.';

REVOKE ALL ON FUNCTION oeventdb_internal.admission_place(integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/release_lock.sql
-- Whoever gives an admission back holds this advisory lock in share mode, so that a claim that found none can wait for it.
-- A thousand locks for all tickets: with one for each, deleting the holders of many tickets at once would exhaust the server's lock table.
-- SQL without SET search_path, so that it is inlined; every name in it is qualified.
CREATE OR REPLACE FUNCTION oeventdb_internal.release_lock(
    ticket_id bigint
) RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $function$
    SELECT 5721090244376264704
        OPERATOR(pg_catalog.+) (pg_catalog.hashint8(release_lock.ticket_id) OPERATOR(pg_catalog.&) 1023)
$function$;

COMMENT ON FUNCTION oeventdb_internal.release_lock(bigint) IS
'The key of the advisory lock of a ticket, which it may share with other tickets.';

REVOKE ALL ON FUNCTION oeventdb_internal.release_lock(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/open_admissions.sql
-- Each sellable admission is a row that a holder's foreign key needs, and, while nobody holds it, a row among the free ones.
CREATE OR REPLACE FUNCTION oeventdb_internal.open_admissions(
    ticket_id bigint,
    event_id bigint,
    first_no integer,
    last_no integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO oeventdb_internal.admissions (ticket_id, event_id, admission_no)
    SELECT open_admissions.ticket_id, open_admissions.event_id, s.admission_no
    FROM pg_catalog.generate_series(open_admissions.first_no, open_admissions.last_no) AS s (admission_no);

    INSERT INTO oeventdb_internal.free_admissions (ticket_id, place, admission_no)
    SELECT open_admissions.ticket_id, oeventdb_internal.admission_place(s.admission_no), s.admission_no
    FROM pg_catalog.generate_series(open_admissions.first_no, open_admissions.last_no) AS s (admission_no);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.open_admissions(bigint, bigint, integer, integer) IS
'Writes the admissions first_no..last_no of a ticket, all of them free.';

REVOKE ALL ON FUNCTION oeventdb_internal.open_admissions(bigint, bigint, integer, integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/open_next_range.sql
-- When a ticket's open admissions are taken, the next thousand are opened from a range that nobody else is opening.
CREATE OR REPLACE FUNCTION oeventdb_internal.open_next_range(
    ticket_id bigint,
    event_id bigint
) RETURNS boolean
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_range oeventdb_internal.admission_ranges;
    v_last integer;
BEGIN
    SELECT r.* INTO v_range
    FROM oeventdb_internal.admission_ranges AS r
    WHERE r.ticket_id = open_next_range.ticket_id
    ORDER BY r.first_no LIMIT 1
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;

    v_last := LEAST(v_range.first_no::bigint + 999, v_range.last_no)::integer;
    IF v_last = v_range.last_no THEN
        DELETE FROM oeventdb_internal.admission_ranges AS r
        WHERE r.ticket_id = v_range.ticket_id AND r.first_no = v_range.first_no;
    ELSE
        UPDATE oeventdb_internal.admission_ranges AS r SET first_no = v_last + 1
        WHERE r.ticket_id = v_range.ticket_id AND r.first_no = v_range.first_no;
    END IF;
    PERFORM oeventdb_internal.open_admissions(open_next_range.ticket_id, open_next_range.event_id, v_range.first_no, v_last);
    RETURN true;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.open_next_range(bigint, bigint) IS
'Opens up to 1,000 more admissions of a ticket. False if no range is left that is not being opened by another transaction.';

REVOKE ALL ON FUNCTION oeventdb_internal.open_next_range(bigint, bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/add_admissions.sql
-- The admissions first_no..last_no of a ticket come on sale: as many as asked for at once, the rest as ranges that are opened when needed.
CREATE OR REPLACE FUNCTION oeventdb_internal.add_admissions(
    ticket_id bigint,
    event_id bigint,
    first_no integer,
    last_no integer,
    opened integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_ranges CONSTANT bigint := 100;
    v_rest bigint := add_admissions.first_no::bigint + add_admissions.opened;
    v_length bigint := GREATEST(1000, pg_catalog.ceil((add_admissions.last_no - v_rest + 1)::numeric / v_ranges)::bigint);
BEGIN
    PERFORM oeventdb_internal.open_admissions(
        add_admissions.ticket_id, add_admissions.event_id,
        add_admissions.first_no, LEAST(v_rest - 1, add_admissions.last_no)::integer
    );
    -- many ranges, so that whoever opens one keeps nobody from opening another
    INSERT INTO oeventdb_internal.admission_ranges (ticket_id, first_no, last_no)
    SELECT add_admissions.ticket_id, s.first_no, LEAST(s.first_no + v_length - 1, add_admissions.last_no)
    FROM pg_catalog.generate_series(v_rest, add_admissions.last_no, v_length) AS s (first_no);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.add_admissions(bigint, bigint, integer, integer, integer) IS
'Adds the admissions first_no..last_no to a ticket, none when last_no is less than first_no, and opens the first of them. Cheap for any number.';

REVOKE ALL ON FUNCTION oeventdb_internal.add_admissions(bigint, bigint, integer, integer, integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/count_free_admissions.sql
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
-- <<<

-- >>> db/procedures/internal/refuse_sold_out.sql
-- A ticket without enough free admissions is refused in one wording, with how many are left.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_sold_out(
    ticket_id bigint,
    requested integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- of what is free, others may have so much in hand that the rest is too few
    v_available bigint := LEAST(oeventdb_internal.count_free_admissions(refuse_sold_out.ticket_id), refuse_sold_out.requested - 1);
BEGIN
    IF NOT EXISTS (SELECT FROM public.tickets AS t WHERE t.id = refuse_sold_out.ticket_id) THEN
        -- deleted while its admissions were waited for
        PERFORM oeventdb_internal.refuse_unknown('ticket', refuse_sold_out.ticket_id);
    END IF;
    PERFORM oeventdb_internal.fail(
        'OE101',
        pg_catalog.format(
            'ticket %s has %s admissions left, %s requested', refuse_sold_out.ticket_id, v_available, refuse_sold_out.requested
        ),
        pg_catalog.jsonb_build_object(
            'ticket_id', refuse_sold_out.ticket_id, 'requested', refuse_sold_out.requested, 'available', v_available
        ),
        'Ask for fewer, raise the quantity of the ticket, or try again later: cancelled and expired orders free their admissions.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_sold_out(bigint, integer) IS
'Raises OE101 (sold_out) with ticket_id, requested and available; OE404 for a ticket that is gone.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_sold_out(bigint, integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/take_free_admissions.sql
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
-- <<<

-- >>> db/procedures/holders/claim_patience.sql
-- Nobody waits for ever: the session's lock_timeout, if it has one, else ten seconds.
CREATE OR REPLACE FUNCTION oeventdb_internal.claim_patience() RETURNS interval
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_timeout interval := pg_catalog.current_setting('lock_timeout')::interval;
BEGIN
    RETURN CASE WHEN v_timeout > '0'::interval THEN v_timeout ELSE '10 seconds'::interval END;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.claim_patience() IS
'How long a claim waits for admissions that others may still give back.';

REVOKE ALL ON FUNCTION oeventdb_internal.claim_patience() FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/claim_turn.sql
-- Who waits for one admission looks again after a while: another may have come free, and who gives one back queues behind this one.
CREATE OR REPLACE FUNCTION oeventdb_internal.claim_turn(
    deadline timestamptz
) RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_left numeric := EXTRACT(EPOCH FROM claim_turn.deadline - pg_catalog.clock_timestamp()) * 1000;
    v_waited numeric := EXTRACT(EPOCH FROM oeventdb_internal.claim_patience()) * 1000 - v_left;
BEGIN
    -- as long as was waited before: soon there when it is quick, and long enough for PostgreSQL to find a deadlock when it is not
    RETURN pg_catalog.ceil(LEAST(v_left, GREATEST(v_waited, 50), 2000))::integer;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.claim_turn(timestamptz) IS
'For how many milliseconds to wait at most before the next look, at most two seconds; less than 1 when the deadline has passed.';

REVOKE ALL ON FUNCTION oeventdb_internal.claim_turn(timestamptz) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/await_admissions.sql
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
-- <<<

-- >>> db/procedures/holders/lock_ticket.sql
-- Whoever takes an admission locks event and ticket first, as who deletes one of them or moves the ticket does: no two wait for each other.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_ticket(
    ticket_id bigint,
    event_id bigint
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- gone where an old ticket names none that is there
    PERFORM FROM public.events AS e WHERE e.id = lock_ticket.event_id FOR KEY SHARE;
    PERFORM FROM public.tickets AS t WHERE t.id = lock_ticket.ticket_id AND t.event_id = lock_ticket.event_id FOR KEY SHARE;
    IF FOUND THEN
        RETURN;
    ELSIF EXISTS (SELECT FROM public.tickets AS t WHERE t.id = lock_ticket.ticket_id) THEN
        PERFORM oeventdb_internal.refuse_wrong_event('ticket', lock_ticket.ticket_id, lock_ticket.event_id);
    END IF;
    PERFORM oeventdb_internal.refuse_unknown('ticket', lock_ticket.ticket_id);
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.lock_ticket(bigint, bigint) IS
'Keeps a ticket in its event, and both from being deleted, to the end of the transaction.
Raises OE105 when it is of another event by then, OE404 when it is gone.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_ticket(bigint, bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/claim_admissions.sql
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
-- <<<

-- >>> db/procedures/holders/claim_admission.sql
-- One admission for one holder: usually some free one that nobody else is taking, from a random place on; else whatever waiting can bring.
CREATE OR REPLACE FUNCTION oeventdb_internal.claim_admission(
    ticket_id bigint,
    event_id bigint
) RETURNS integer
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    -- once, into a variable: in the query it would be evaluated for every row
    v_place integer := pg_catalog.floor(pg_catalog.random() * 2147483648)::bigint;
    v_claimed integer;
BEGIN
    -- event and ticket first, as lock_ticket does, but only with an admission at hand: who has to wait for one keeps nobody from them
    DELETE FROM oeventdb_internal.free_admissions AS a
    WHERE a.ctid = (
        SELECT f.ctid FROM oeventdb_internal.free_admissions AS f
        INNER JOIN public.tickets AS t ON t.id = claim_admission.ticket_id AND t.event_id = claim_admission.event_id
        INNER JOIN public.events AS e ON e.id = claim_admission.event_id
        WHERE f.ticket_id = claim_admission.ticket_id AND f.place >= v_place
        ORDER BY f.place LIMIT 1
        FOR KEY SHARE OF e FOR KEY SHARE OF t FOR UPDATE OF f SKIP LOCKED
    )
    RETURNING a.admission_no INTO v_claimed;
    IF v_claimed IS NULL THEN
        v_claimed := (
            oeventdb_internal.claim_admissions(claim_admission.ticket_id, claim_admission.event_id, 1)
        )[1];
    END IF;
    RETURN v_claimed;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.claim_admission(bigint, bigint) IS
'Takes an admission of a ticket and returns its number, or NULL when none is to be had.';

REVOKE ALL ON FUNCTION oeventdb_internal.claim_admission(bigint, bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/take_admission.sql
-- A writer may choose the number: a free admission is taken, one not yet opened is cut out of its range.
CREATE OR REPLACE FUNCTION oeventdb_internal.take_admission(
    ticket_id bigint,
    event_id bigint,
    admission_no integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_place text;
    v_range oeventdb_internal.admission_ranges;
BEGIN
    LOOP
        DELETE FROM oeventdb_internal.free_admissions AS f
        WHERE f.ticket_id = take_admission.ticket_id
            AND f.place = oeventdb_internal.admission_place(take_admission.admission_no);
        IF FOUND THEN
            RETURN;
        END IF;

        -- in one statement: between two looks the number may go from one place to another, and seem to be nowhere
        v_place := CASE
            WHEN EXISTS (
                SELECT FROM oeventdb_internal.free_admissions AS f
                WHERE f.ticket_id = take_admission.ticket_id
                    AND f.place = oeventdb_internal.admission_place(take_admission.admission_no)
            ) THEN 'free'
            WHEN EXISTS (
                SELECT FROM public.ticket_holders AS h
                WHERE h.ticket_id = take_admission.ticket_id AND h.event_id = take_admission.event_id
                    AND h.admission_no = take_admission.admission_no
            ) THEN 'held'
            WHEN EXISTS (
                SELECT FROM oeventdb_internal.admissions AS a
                WHERE a.ticket_id = take_admission.ticket_id AND a.event_id = take_admission.event_id
                    AND a.admission_no = take_admission.admission_no
            ) THEN 'ours'
            WHEN EXISTS (
                SELECT FROM oeventdb_internal.admission_ranges AS r
                WHERE r.ticket_id = take_admission.ticket_id
                    AND take_admission.admission_no BETWEEN r.first_no AND r.last_no
            ) THEN 'unopened'
            ELSE 'nowhere'
        END;
        IF v_place = 'ours' THEN
            -- this transaction has claimed it, or this statement has just parted a holder from it
            RETURN;
        ELSIF v_place = 'held' THEN
            -- locked, so that it stays held until the unique key has refused this one
            PERFORM FROM public.ticket_holders AS h
            WHERE h.ticket_id = take_admission.ticket_id AND h.event_id = take_admission.event_id
                AND h.admission_no = take_admission.admission_no
            FOR KEY SHARE;
            IF FOUND THEN
                RETURN;
            END IF;
        ELSIF v_place = 'nowhere' THEN
            -- not left to the foreign key: by the time it looks the ticket may have that number, free for others
            RAISE EXCEPTION 'ticket % has no admission %', take_admission.ticket_id, take_admission.admission_no
                USING ERRCODE = 'foreign_key_violation', SCHEMA = 'public', TABLE = 'ticket_holders',
                      CONSTRAINT = 'ticket_holders_admission', HINT = 'Leave admission_no out to get a free one.';
        ELSIF v_place = 'unopened' THEN
            -- not while the quantity is being changed: what is cut off here would be out of its sight
            PERFORM FROM public.tickets AS t WHERE t.id = take_admission.ticket_id FOR SHARE;
            DELETE FROM oeventdb_internal.admission_ranges AS r
            WHERE r.ticket_id = take_admission.ticket_id
                AND take_admission.admission_no BETWEEN r.first_no AND r.last_no
            RETURNING r.* INTO v_range;
            IF FOUND THEN
                INSERT INTO oeventdb_internal.admission_ranges (ticket_id, first_no, last_no)
                SELECT v_range.ticket_id, s.first_no, s.last_no
                FROM (VALUES
                    (v_range.first_no, take_admission.admission_no - 1),
                    (take_admission.admission_no::bigint + 1, v_range.last_no)
                ) AS s (first_no, last_no)
                WHERE s.first_no <= s.last_no;
                INSERT INTO oeventdb_internal.admissions (ticket_id, event_id, admission_no)
                VALUES (take_admission.ticket_id, take_admission.event_id, take_admission.admission_no);
                RETURN;
            END IF;
        END IF;
        -- it was free, or somebody who was waited for has moved it: look again where it is now
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.take_admission(bigint, bigint, integer) IS
'Takes the admission of that number, if it is free. If somebody holds it, the holder is locked and the constraint ticket_event refuses the next.
Raises foreign_key_violation, in the name of the constraint ticket_holders_admission, when the ticket has no such number.';

REVOKE ALL ON FUNCTION oeventdb_internal.take_admission(bigint, bigint, integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/release_admission.sql
-- An admission that is given back is free for the next buyer as soon as the transaction commits.
CREATE OR REPLACE FUNCTION oeventdb_internal.release_admission(
    ticket_id bigint,
    admission_no integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- shared: givers don't wait for each other, but a buyer who found nothing waits for all of them
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(oeventdb_internal.release_lock(release_admission.ticket_id));
    INSERT INTO oeventdb_internal.free_admissions (ticket_id, place, admission_no)
    VALUES (
        release_admission.ticket_id,
        oeventdb_internal.admission_place(release_admission.admission_no),
        release_admission.admission_no
    )
    ON CONFLICT DO NOTHING;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.release_admission(bigint, integer) IS
'Puts an admission among the free ones of its ticket.';

REVOKE ALL ON FUNCTION oeventdb_internal.release_admission(bigint, integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/drop_free_admissions.sql
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
-- <<<

-- >>> db/procedures/holders/shrink_ticket.sql
-- A ticket loses its admissions beyond a quantity in one go, or nothing happens: it waits for nobody's holder while it has locked others.
CREATE OR REPLACE FUNCTION oeventdb_internal.shrink_ticket(
    ticket_id bigint,
    event_id bigint,
    quantity integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_holder record;
    v_number integer;
BEGIN
    PERFORM oeventdb_internal.drop_free_admissions(shrink_ticket.ticket_id, shrink_ticket.quantity);
    FOR v_holder IN
        -- lock before giving a number: a holder who is being removed needs none
        SELECT h.id, h.admission_no FROM public.ticket_holders AS h
        WHERE h.ticket_id = shrink_ticket.ticket_id AND h.event_id = shrink_ticket.event_id
            AND h.admission_no > shrink_ticket.quantity
        ORDER BY h.admission_no FOR NO KEY UPDATE NOWAIT
    LOOP
        v_number := (oeventdb_internal.take_free_admissions(shrink_ticket.ticket_id, 1))[1];
        IF v_number IS NULL THEN
            IF NOT oeventdb_internal.open_next_range(shrink_ticket.ticket_id, shrink_ticket.event_id) THEN
                RAISE EXCEPTION USING ERRCODE = 'OE001';
            END IF;
            v_number := (oeventdb_internal.take_free_admissions(shrink_ticket.ticket_id, 1))[1];
        END IF;
        UPDATE public.ticket_holders AS h SET admission_no = v_number WHERE h.id = v_holder.id;
        -- the number given back is beyond the quantity: not for the next
        DELETE FROM oeventdb_internal.free_admissions AS f
        WHERE f.ticket_id = shrink_ticket.ticket_id
            AND f.place = oeventdb_internal.admission_place(v_holder.admission_no);
    END LOOP;
    -- waits for whoever holds one of them, and is refused by the foreign key if somebody goes on holding it
    DELETE FROM oeventdb_internal.admissions AS a
    WHERE a.ticket_id = shrink_ticket.ticket_id AND a.admission_no > shrink_ticket.quantity;
    -- what was given back meanwhile; only now, when nothing more can be: who takes one of them waits for this transaction
    DELETE FROM oeventdb_internal.free_admissions AS f
    WHERE f.ctid = ANY (ARRAY(
        SELECT b.ctid FROM oeventdb_internal.free_admissions AS b
        WHERE b.ticket_id = shrink_ticket.ticket_id AND b.admission_no > shrink_ticket.quantity
        FOR UPDATE NOWAIT
    ));
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.shrink_ticket(bigint, bigint, integer) IS
'Takes the admissions beyond quantity off a ticket; their holders get lower numbers. Raises OE001 when none is free for one of them at this moment,
55P03 when others are writing one of them, 23503 when somebody has taken one meanwhile: the caller undoes what was done, waits and tries again.';

REVOKE ALL ON FUNCTION oeventdb_internal.shrink_ticket(bigint, bigint, integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/await_lower_numbers.sql
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
-- <<<

-- >>> db/procedures/holders/resize_ticket.sql
-- The admissions of a ticket follow its quantity; a holder whose number is beyond the new quantity gets a lower one.
CREATE OR REPLACE FUNCTION oeventdb_internal.resize_ticket(
    ticket_id bigint,
    event_id bigint,
    old_quantity integer,
    new_quantity integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_held bigint;
    v_deadline timestamptz;
BEGIN
    IF resize_ticket.new_quantity > resize_ticket.old_quantity THEN
        PERFORM oeventdb_internal.add_admissions(
            resize_ticket.ticket_id, resize_ticket.event_id, resize_ticket.old_quantity + 1, resize_ticket.new_quantity,
            1000
        );
    ELSIF resize_ticket.new_quantity < resize_ticket.old_quantity THEN
        v_deadline := pg_catalog.clock_timestamp() + oeventdb_internal.claim_patience();
        LOOP
            BEGIN
                PERFORM oeventdb_internal.shrink_ticket(
                    resize_ticket.ticket_id, resize_ticket.event_id, resize_ticket.new_quantity
                );
                RETURN;
            EXCEPTION WHEN SQLSTATE 'OE001' OR lock_not_available OR foreign_key_violation OR internal_error THEN
                -- undone before waiting: who gives a holder up and who shrinks the ticket would wait for each other. Who has taken a number
                -- beyond meanwhile (23503) is seen by the next try. PostgreSQL gives up by itself (XX000, more than one updating member) on a
                -- row that several had begun to change: that too is tried again
                NULL;
            END;
            CONTINUE WHEN oeventdb_internal.await_lower_numbers(resize_ticket.ticket_id, resize_ticket.new_quantity, v_deadline);
            SELECT pg_catalog.count(*) INTO v_held FROM public.ticket_holders AS h
            WHERE h.ticket_id = resize_ticket.ticket_id AND h.admission_no IS NOT NULL;
            EXIT WHEN v_held > resize_ticket.new_quantity OR pg_catalog.clock_timestamp() >= v_deadline;
        END LOOP;

        IF v_held <= resize_ticket.new_quantity THEN
            RAISE EXCEPTION 'others are still writing holders of ticket %', resize_ticket.ticket_id
                USING ERRCODE = 'lock_not_available', HINT = 'Try again.';
        END IF;
        PERFORM oeventdb_internal.fail(
            'OE104',
            pg_catalog.format(
                'ticket %s cannot have a quantity of %s: %s admissions are held',
                resize_ticket.ticket_id, resize_ticket.new_quantity, v_held
            ),
            pg_catalog.jsonb_build_object(
                'ticket_id', resize_ticket.ticket_id, 'quantity', resize_ticket.new_quantity, 'held', v_held
            ),
            'Lower the quantity no further than what is held, or remove holders first.'
        );
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.resize_ticket(bigint, bigint, integer, integer) IS
'Changes a ticket''s admissions from 1..old_quantity to 1..new_quantity. Raises OE104 when more than new_quantity are held,
55P03 when others write the holders for too long.';

REVOKE ALL ON FUNCTION oeventdb_internal.resize_ticket(bigint, bigint, integer, integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/ticket_removed.sql
-- The free admissions of a ticket go with it, or with its event; held ones keep it from being deleted and in its event.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_removed() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        TRUNCATE oeventdb_internal.free_admissions, oeventdb_internal.admission_ranges;
        RETURN NULL;
    ELSIF TG_OP = 'UPDATE' THEN
        -- of a deleted ticket its foreign key has deleted them
        DELETE FROM oeventdb_internal.admissions AS a WHERE a.ticket_id = OLD.id AND a.event_id = OLD.event_id;
    END IF;
    -- what others have given back since the snapshot of this transaction it could not see: it must fail
    PERFORM FROM public.ticket_holders AS h WHERE h.ticket_id = OLD.id AND h.admission_no IS NOT NULL FOR KEY SHARE;
    DELETE FROM oeventdb_internal.free_admissions AS f WHERE f.ticket_id = OLD.id;
    DELETE FROM oeventdb_internal.admission_ranges AS r WHERE r.ticket_id = OLD.id;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_removed() IS
'Trigger of public.tickets, after a ticket is deleted or all are truncated, and before one is left without an event.
Not a foreign key of those tables: it would be checked for each admission that is opened.';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_removed() FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/ticket_quantity.sql
-- A ticket has the admissions 1..quantity (NULL: unlimited): raising the quantity adds some, lowering it below what is held is refused.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_quantity() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
BEGIN
    IF TG_OP = 'INSERT' AND EXISTS (SELECT FROM public.ticket_holders AS h WHERE h.ticket_id = NEW.id) THEN
        -- one statement may delete a ticket and write it again, and no foreign key minds
        RAISE EXCEPTION 'ticket % has holders and cannot be deleted', NEW.id
            USING ERRCODE = 'foreign_key_violation', SCHEMA = 'public', TABLE = 'ticket_holders',
                  CONSTRAINT = 'ticket_holders_ticket';
    END IF;
    IF TG_OP = 'UPDATE' AND (NEW.id, NEW.event_id) IS DISTINCT FROM (OLD.id, OLD.event_id) THEN
        -- holders written, and admissions given back, since an older snapshot would stay behind
        PERFORM oeventdb_internal.require_read_committed('a ticket gets another id or event');
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.event_id IS DISTINCT FROM OLD.event_id THEN
        IF EXISTS (SELECT FROM public.ticket_holders AS h WHERE h.ticket_id = NEW.id AND h.event_id = OLD.event_id) THEN
            -- the foreign key sees to those with an admission; those of dead orders would be of another event
            RAISE EXCEPTION 'ticket % has holders and stays in its event', NEW.id
                USING ERRCODE = 'foreign_key_violation', SCHEMA = 'public', TABLE = 'ticket_holders',
                      CONSTRAINT = 'ticket_holders_admission';
        END IF;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.id <> OLD.id THEN
        UPDATE oeventdb_internal.free_admissions AS f SET ticket_id = NEW.id WHERE f.ticket_id = OLD.id;
        UPDATE oeventdb_internal.admission_ranges AS r SET ticket_id = NEW.id WHERE r.ticket_id = OLD.id;
    END IF;
    IF TG_OP = 'UPDATE' AND COALESCE(NEW.quantity, 2147483647) > COALESCE(OLD.quantity, 2147483647) THEN
        -- a buyer who finds the ticket sold out waits for the admissions that are being added
        PERFORM pg_catalog.pg_advisory_xact_lock_shared(oeventdb_internal.release_lock(NEW.id));
    END IF;
    IF NEW.event_id IS NOT NULL THEN
        PERFORM oeventdb_internal.resize_ticket(
            NEW.id, NEW.event_id,
            CASE WHEN TG_OP = 'INSERT' OR OLD.event_id IS NULL THEN 0
                 ELSE GREATEST(COALESCE(OLD.quantity, 2147483647), 0) END,
            GREATEST(COALESCE(NEW.quantity, 2147483647), 0)
        );
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_quantity() IS
'Trigger of public.tickets: gives the ticket as many admissions as its quantity. Raises OE104 below what is held,
foreign_key_violation when a ticket with holders would change its event (in the name of ticket_holders_admission) or be replaced by another with its
id (ticket_holders_ticket), feature_not_supported when a ticket would change its id or event under REPEATABLE READ or SERIALIZABLE.';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_quantity() FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/ticket_holder_admission.sql
-- Whoever writes a holder: one with a ticket gets an admission of its own in the ticket's event, one of a dead order gives it up.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_holder_admission() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = 'force_generic_plan'
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_held integer;
    v_is_same boolean := TG_OP = 'UPDATE' AND NEW.ticket_id IS NOT DISTINCT FROM OLD.ticket_id;
    v_is_known boolean := false;
    v_event_id bigint;
    v_order_event_id bigint;
    v_status text;
    v_xmin xid;
BEGIN
    IF v_is_same THEN
        v_held := OLD.admission_no;
    ELSIF TG_OP = 'UPDATE' AND NEW.admission_no = OLD.admission_no THEN
        -- the number was one of the other ticket
        NEW.admission_no := NULL;
    END IF;

    IF NEW.order_id IS NULL THEN
        NULL;
    ELSIF TG_OP = 'UPDATE' AND NEW.order_id = OLD.order_id
        AND (OLD.admission_no IS NOT NULL OR (OLD.ticket_id IS NOT NULL AND OLD.event_id IS NOT NULL))
    THEN
        -- not locked: who changes the order's state finds this holder and waits for it, so the two would wait for each other
        SELECT o.status, o.event_id INTO v_status, v_order_event_id FROM public.orders AS o WHERE o.id = NEW.order_id;
    ELSE
        SELECT o.status, o.event_id, o.xmin INTO v_status, v_order_event_id, v_xmin FROM public.orders AS o WHERE o.id = NEW.order_id;
        IF v_xmin <> pg_catalog.pg_current_xact_id()::xid THEN
            -- written, not only locked: a cancellation that is under way must see this holder, or this holder the cancellation; and one whose
            -- snapshot is older must fail, as it cannot see this holder
            UPDATE public.orders AS o SET status = o.status WHERE o.id = NEW.order_id
            RETURNING o.status, o.event_id INTO v_status, v_order_event_id;
        END IF;
    END IF;
    IF NEW.ticket_id IS NOT NULL AND NOT (
        v_is_same AND NEW.event_id IS NOT DISTINCT FROM OLD.event_id
        AND (v_held IS NOT NULL OR NOT oeventdb_internal.order_is_live(v_status))
    ) THEN
        SELECT t.event_id, TG_OP = 'INSERT' AND EXISTS (SELECT FROM public.ticket_holders AS h WHERE h.id = NEW.id)
        INTO v_event_id, v_is_known
        FROM public.tickets AS t WHERE t.id = NEW.ticket_id;
        IF NOT FOUND THEN
            PERFORM oeventdb_internal.refuse_unknown('ticket', NEW.ticket_id::bigint);
        ELSIF v_event_id IS NULL OR COALESCE(NEW.event_id, v_event_id) <> v_event_id THEN
            PERFORM oeventdb_internal.refuse_wrong_event('ticket', NEW.ticket_id::bigint, NEW.event_id::bigint);
        END IF;
        NEW.event_id := v_event_id;
    END IF;
    -- an old holder of another event's order goes on, or comes back from the journal; no new one comes
    IF NEW.ticket_id IS NOT NULL AND v_order_event_id <> NEW.event_id AND NOT (
        v_is_same AND NEW.order_id IS NOT DISTINCT FROM OLD.order_id AND NEW.event_id IS NOT DISTINCT FROM OLD.event_id
    ) AND NOT EXISTS (
        SELECT FROM oeventdb_internal.journal AS j
        WHERE j.table_name = 'ticket_holders' AND j.key = NEW.id::text AND j.old_row ->> 'order_id' = NEW.order_id::text
    ) THEN
        PERFORM oeventdb_internal.refuse_wrong_event('order', NEW.order_id::bigint, NEW.event_id::bigint);
    END IF;

    IF v_is_known THEN
        -- locked, so that it is still there when the id is looked at: if it is being deleted, this one needs an admission
        PERFORM FROM public.ticket_holders AS h WHERE h.id = NEW.id FOR NO KEY UPDATE;
        v_is_known := FOUND;
    END IF;
    IF v_is_known THEN
        -- the id refuses this row, or makes an update of it (ON CONFLICT): what was taken for it would be nobody's
        RETURN NEW;
    ELSIF NEW.ticket_id IS NULL OR NOT oeventdb_internal.order_is_live(v_status) THEN
        NEW.admission_no := NULL;
        IF v_event_id IS NOT NULL THEN
            -- without an admission no foreign key keeps the ticket in the event
            PERFORM oeventdb_internal.lock_ticket(NEW.ticket_id, v_event_id);
        END IF;
    ELSIF NEW.admission_no = v_held THEN
        RETURN NEW;
    ELSIF NEW.admission_no IS NOT NULL THEN
        PERFORM oeventdb_internal.lock_ticket(NEW.ticket_id, NEW.event_id);
        PERFORM oeventdb_internal.take_admission(NEW.ticket_id, NEW.event_id, NEW.admission_no);
    ELSIF v_held IS NOT NULL THEN
        NEW.admission_no := v_held;
    ELSE
        NEW.admission_no := oeventdb_internal.claim_admission(NEW.ticket_id, NEW.event_id);
        IF NEW.admission_no IS NULL THEN
            PERFORM oeventdb_internal.refuse_sold_out(NEW.ticket_id, 1);
        END IF;
    END IF;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_holder_admission() IS
'Trigger of public.ticket_holders: fills event_id from the ticket and admission_no with a free one; the number is given up without ticket or with a
dead order. Raises OE404 no such ticket, OE105 a ticket or an order of another event, OE101 sold out.';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_holder_admission() FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/release_unheld_admissions.sql
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
-- <<<

-- >>> db/procedures/holders/ticket_holder_release.sql
-- A holder that is deleted, or changes its admission, gives the old one back at once; so do all that are truncated.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_holder_release() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM oeventdb_internal.require_read_committed('ticket_holders is truncated', 'DELETE');
        PERFORM oeventdb_internal.release_unheld_admissions();
        RETURN NULL;
    END IF;
    -- not when the ticket itself is being deleted with all its admissions, nor when this statement has handed the number on to another holder
    IF EXISTS (
        SELECT FROM oeventdb_internal.admissions AS a
        WHERE a.ticket_id = OLD.ticket_id AND a.event_id = OLD.event_id AND a.admission_no = OLD.admission_no
    ) AND NOT EXISTS (
        SELECT FROM public.ticket_holders AS h
        WHERE h.ticket_id = OLD.ticket_id AND h.event_id = OLD.event_id AND h.admission_no = OLD.admission_no
    ) THEN
        PERFORM oeventdb_internal.release_admission(OLD.ticket_id, OLD.admission_no);
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_holder_release() IS
'Trigger of public.ticket_holders, after a holder that held an admission is deleted or holds it no more, and after all are truncated (0A000 under
REPEATABLE READ and SERIALIZABLE).';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_holder_release() FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/order_liveness.sql
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
-- <<<

-- >>> db/procedures/internal/ticket_holder_row.sql
-- What the API shows of a holder, from the table's row.
-- SQL without SET search_path, so that it is inlined; it names nothing but its argument.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_holder_row(
    holder public.ticket_holders
) RETURNS oeventdb.ticket_holder
LANGUAGE sql
STABLE
AS $function$
    SELECT ROW(
        holder.id, holder.event_id, holder.ticket_id, holder.order_id, holder.admission_no,
        holder.firstname, holder.lastname, holder.email, COALESCE(holder.is_checked_in, false), holder.checkin_times
    )::oeventdb.ticket_holder
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_holder_row(public.ticket_holders) IS
'The API''s row of a holder.';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_holder_row(public.ticket_holders) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/add_ticket_holder.sql
-- One more person is admitted, if the ticket has an admission left.
CREATE OR REPLACE FUNCTION oeventdb.add_ticket_holder(
    ticket_id bigint,
    firstname text,
    lastname text,
    email text DEFAULT NULL
) RETURNS SETOF oeventdb.ticket_holder
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_event_id bigint;
BEGIN
    PERFORM oeventdb_internal.require_text('firstname', add_ticket_holder.firstname);
    PERFORM oeventdb_internal.require_text('lastname', add_ticket_holder.lastname);
    v_event_id := oeventdb_internal.require_ticket(add_ticket_holder.ticket_id);

    RETURN QUERY
    INSERT INTO public.ticket_holders AS h (ticket_id, event_id, firstname, lastname, email, is_checked_in)
    VALUES (
        add_ticket_holder.ticket_id, v_event_id, add_ticket_holder.firstname, add_ticket_holder.lastname,
        add_ticket_holder.email, false
    )
    RETURNING (oeventdb_internal.ticket_holder_row(h.*)).*;
END
$function$;

COMMENT ON FUNCTION oeventdb.add_ticket_holder(bigint, text, text, text) IS
'Adds a holder to a ticket, outside any order, and returns it with its admission_no (1..quantity).
Errors: OE404 no such ticket; OE400 ticket_id NULL, firstname or lastname NULL or blank; OE101 sold out;
OE105 the ticket goes to another event at this moment.';

REVOKE ALL ON FUNCTION oeventdb.add_ticket_holder(bigint, text, text, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/remove_ticket_holder.sql
-- A person is admitted no more, and the admission is free at once.
CREATE OR REPLACE FUNCTION oeventdb.remove_ticket_holder(
    ticket_holder_id bigint
) RETURNS SETOF oeventdb.ticket_holder
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
BEGIN
    IF remove_ticket_holder.ticket_holder_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('ticket_holder_id', 'is NULL');
    END IF;

    RETURN QUERY
    DELETE FROM public.ticket_holders AS h WHERE h.id = remove_ticket_holder.ticket_holder_id
    RETURNING (oeventdb_internal.ticket_holder_row(h.*)).*;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket_holder', remove_ticket_holder.ticket_holder_id);
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb.remove_ticket_holder(bigint) IS
'Deletes a holder and returns it as it was; its admission can be sold again as soon as the transaction commits.
Errors: OE404 no such holder; OE400 ticket_holder_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.remove_ticket_holder(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/holders/ticket_availability.sql
-- What is held and what is left of each ticket of an event.
CREATE OR REPLACE FUNCTION oeventdb.ticket_availability(
    event_id bigint
) RETURNS TABLE (ticket_id bigint, name text, quantity integer, held bigint, available bigint)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.require_event(ticket_availability.event_id);
    RETURN QUERY
    SELECT t.id::bigint, t.name::text, t.quantity, h.held, t.quantity - h.held
    FROM public.tickets AS t
    CROSS JOIN LATERAL (
        SELECT pg_catalog.count(*) AS held FROM public.ticket_holders AS s
        WHERE s.ticket_id = t.id AND s.event_id = t.event_id AND s.admission_no IS NOT NULL
    ) AS h
    WHERE t.event_id = ticket_availability.event_id AND t.deleted_at IS NULL
    ORDER BY t.position, t.id;
END
$function$;

COMMENT ON FUNCTION oeventdb.ticket_availability(bigint) IS
'A row for each ticket of the event, hidden ones too, by position and id: quantity and available are NULL for an unlimited ticket; held counts the
admissions that holders have. Errors: OE404 no such event; OE400 event_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.ticket_availability(bigint) FROM PUBLIC;
-- <<<

-- Whether there is still work: the trigger of the rule, which comes last, is not there.
CREATE OR REPLACE FUNCTION oeventdb_internal.holders_unnumbered() RETURNS boolean
LANGUAGE sql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'public.ticket_holders'::pg_catalog.regclass AND t.tgname = 'ticket_holder_admission'
            AND t.tgfoid = 'oeventdb_internal.ticket_holder_admission'::pg_catalog.regproc
    )
$function$;

-- Until the rule is on, whoever changes what the numbers depend on leaves a note, in the same transaction: it is looked at again before the rule is
-- on. The notes are only added to and removed, so nobody waits for another.
CREATE TABLE IF NOT EXISTS oeventdb_internal.tickets_written (
    ticket_id bigint NOT NULL
);

CREATE TABLE IF NOT EXISTS oeventdb_internal.holders_written (
    holder_id bigint NOT NULL
);

-- of an order, not of its holders: who adds one meanwhile and who changes the order's state need not see each other
CREATE TABLE IF NOT EXISTS oeventdb_internal.orders_written (
    order_id bigint NOT NULL
);

-- tables without a key: where all tables are published to a replica, nothing could be deleted from them otherwise
ALTER TABLE oeventdb_internal.tickets_written REPLICA IDENTITY FULL;

ALTER TABLE oeventdb_internal.holders_written REPLICA IDENTITY FULL;

ALTER TABLE oeventdb_internal.orders_written REPLICA IDENTITY FULL;

CREATE INDEX IF NOT EXISTS tickets_written_ticket ON oeventdb_internal.tickets_written (ticket_id);

CREATE INDEX IF NOT EXISTS holders_written_holder ON oeventdb_internal.holders_written (holder_id);

CREATE INDEX IF NOT EXISTS orders_written_order ON oeventdb_internal.orders_written (order_id);

-- A new holder gets its event from the ticket; one that changes its ticket loses the number of the old one.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_holder_in_step() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_event_id bigint;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.admission_no IS DISTINCT FROM OLD.admission_no THEN
        -- the migration itself, which knows the event
        RETURN NEW;
    END IF;
    -- one that changes its id as well: who has that id next would be given the number again by a numbering that was killed
    IF TG_OP = 'INSERT' OR (NEW.id, NEW.ticket_id) IS DISTINCT FROM (OLD.id, OLD.ticket_id) THEN
        NEW.admission_no := NULL;
    END IF;
    -- an old event that nobody has written is left as it is: the migration journals it before it corrects it
    IF TG_OP = 'INSERT' OR (NEW.ticket_id, NEW.event_id) IS DISTINCT FROM (OLD.ticket_id, OLD.event_id) THEN
        -- locked, as its foreign key will do: the ticket may be on its way to another event
        SELECT t.event_id INTO v_event_id FROM public.tickets AS t WHERE t.id = NEW.ticket_id FOR KEY SHARE;
        IF v_event_id <> NEW.event_id THEN
            PERFORM oeventdb_internal.refuse_wrong_event('ticket', NEW.ticket_id::bigint, NEW.event_id::bigint);
        END IF;
        NEW.event_id := COALESCE(v_event_id, NEW.event_id);
    END IF;
    IF TG_OP = 'INSERT' OR (NEW.id, NEW.ticket_id, NEW.order_id) IS DISTINCT FROM (OLD.id, OLD.ticket_id, OLD.order_id) THEN
        INSERT INTO oeventdb_internal.holders_written (holder_id) VALUES (NEW.id);
    END IF;
    RETURN NEW;
END
$function$;

-- Nobody chooses a number yet, so none is handed on: a look among the holders, by an index that is not there yet, is not needed.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_holder_left() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF EXISTS (
        SELECT FROM oeventdb_internal.admissions AS a
        WHERE a.ticket_id = OLD.ticket_id AND a.event_id = OLD.event_id AND a.admission_no = OLD.admission_no
    ) THEN
        PERFORM oeventdb_internal.release_admission(OLD.ticket_id, OLD.admission_no);
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_written() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.id, NEW.quantity, NEW.event_id) IS NOT DISTINCT FROM (OLD.id, OLD.quantity, OLD.event_id) THEN
        RETURN NULL;
    END IF;

    INSERT INTO oeventdb_internal.tickets_written (ticket_id) VALUES (CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END);
    IF TG_OP = 'UPDATE' AND NEW.id <> OLD.id THEN
        INSERT INTO oeventdb_internal.tickets_written (ticket_id) VALUES (OLD.id);
    END IF;
    -- from now on, as once the rule is on: its holders would be of another event
    IF TG_OP = 'UPDATE' AND (NEW.id, NEW.event_id) IS DISTINCT FROM (OLD.id, OLD.event_id) THEN
        PERFORM oeventdb_internal.require_read_committed('a ticket gets another id or event');
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.event_id IS DISTINCT FROM OLD.event_id
        AND EXISTS (SELECT FROM public.ticket_holders AS h WHERE h.ticket_id = NEW.id)
    THEN
        RAISE EXCEPTION 'ticket % has holders and stays in its event', NEW.id
            USING ERRCODE = 'foreign_key_violation', SCHEMA = 'public', TABLE = 'ticket_holders',
                  CONSTRAINT = 'ticket_holders_admission';
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE FUNCTION oeventdb_internal.order_written() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO oeventdb_internal.orders_written (order_id) VALUES (NEW.id);
    RETURN NULL;
END
$function$;

-- Under the names of the rule's own triggers, which replace them at the end: to drop one would keep readers waiting.
DO $$
BEGIN
    IF oeventdb_internal.holders_unnumbered() THEN
        CREATE OR REPLACE TRIGGER ticket_holder_admission BEFORE INSERT ON public.ticket_holders
            FOR EACH ROW EXECUTE FUNCTION oeventdb_internal.ticket_holder_in_step();
        -- and not of a list of columns: a BEFORE trigger may change a column that the UPDATE does not name
        CREATE OR REPLACE TRIGGER ticket_holder_admission_update BEFORE UPDATE ON public.ticket_holders FOR EACH ROW
            WHEN (OLD.id <> NEW.id OR OLD.ticket_id IS DISTINCT FROM NEW.ticket_id OR OLD.event_id IS DISTINCT FROM NEW.event_id
                OR OLD.order_id IS DISTINCT FROM NEW.order_id)
            EXECUTE FUNCTION oeventdb_internal.ticket_holder_in_step();
        CREATE OR REPLACE TRIGGER ticket_holder_release AFTER DELETE ON public.ticket_holders
            FOR EACH ROW WHEN (OLD.admission_no IS NOT NULL)
            EXECUTE FUNCTION oeventdb_internal.ticket_holder_left();
        CREATE OR REPLACE TRIGGER ticket_holder_release_update AFTER UPDATE ON public.ticket_holders FOR EACH ROW
            WHEN (OLD.admission_no IS NOT NULL
                AND (OLD.ticket_id, OLD.admission_no) IS DISTINCT FROM (NEW.ticket_id, NEW.admission_no))
            EXECUTE FUNCTION oeventdb_internal.ticket_holder_left();
    END IF;
END
$$;

DO $$
BEGIN
    IF oeventdb_internal.holders_unnumbered() THEN
        CREATE OR REPLACE TRIGGER ticket_quantity AFTER INSERT OR DELETE OR UPDATE ON public.tickets
            FOR EACH ROW EXECUTE FUNCTION oeventdb_internal.ticket_written();
    END IF;
END
$$;

DO $$
BEGIN
    IF oeventdb_internal.holders_unnumbered() THEN
        CREATE OR REPLACE TRIGGER order_liveness AFTER UPDATE ON public.orders FOR EACH ROW
            WHEN (
                COALESCE(OLD.status <> ALL (ARRAY['cancelled', 'expired', 'deleted']), true)
                <> COALESCE(NEW.status <> ALL (ARRAY['cancelled', 'expired', 'deleted']), true)
            )
            EXECUTE FUNCTION oeventdb_internal.order_written();
    END IF;
END
$$;

-- Who keeps an admission first: holders of live orders, then those of dead ones.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_rank(status text) RETURNS integer
LANGUAGE sql
IMMUTABLE
AS $function$
    SELECT CASE
        WHEN order_rank.status = 'completed' THEN 1
        WHEN order_rank.status = 'placed' THEN 2
        WHEN order_rank.status = 'confirmed' THEN 3
        WHEN order_rank.status = 'pending' THEN 4
        WHEN oeventdb_internal.order_is_live(order_rank.status) THEN 5
        WHEN order_rank.status = 'cancelled' THEN 6
        WHEN order_rank.status = 'expired' THEN 7
        ELSE 8
    END
$function$;

-- The places, all at once in a table of their own: live orders' holders first, then by id. Nobody waits for it. The place of a holder of a live
-- order is its number; that of a dead one only says whether it is beyond the quantity. The second table is what each ticket had then.
CREATE TABLE IF NOT EXISTS oeventdb_internal.holder_numbers AS
SELECT
    h.id AS holder_id,
    h.ticket_id,
    t.event_id, -- to stay while the holder does: a ticket with holders cannot move
    GREATEST(COALESCE(t.quantity, 2147483647), 0) AS quantity,
    oeventdb_internal.order_is_live(o.status) AS is_live,
    pg_catalog.row_number() OVER (PARTITION BY h.ticket_id ORDER BY oeventdb_internal.order_rank(o.status), h.id) AS place
FROM public.ticket_holders AS h
INNER JOIN public.tickets AS t ON t.id = h.ticket_id
LEFT JOIN public.orders AS o ON o.id = h.order_id
WHERE t.event_id IS NOT NULL AND oeventdb_internal.holders_unnumbered();

CREATE INDEX IF NOT EXISTS holder_numbers_holder ON oeventdb_internal.holder_numbers (holder_id);

CREATE INDEX IF NOT EXISTS holder_numbers_surplus ON oeventdb_internal.holder_numbers (holder_id) WHERE place > quantity;

-- for the turns below, each of which then sees no row but its own
CREATE INDEX IF NOT EXISTS holder_numbers_turn ON oeventdb_internal.holder_numbers (
    (pg_catalog.hashint8(holder_id) & 7), holder_id
);

ANALYZE oeventdb_internal.holder_numbers;

CREATE TABLE IF NOT EXISTS oeventdb_internal.ticket_numbers AS
SELECT
    t.id AS ticket_id,
    t.event_id,
    COALESCE(n.quantity, GREATEST(COALESCE(t.quantity, 2147483647), 0)) AS quantity,
    COALESCE(n.held, 0)::integer AS held,
    -- nobody queues for what is no longer sold: few admissions are opened at once for those
    CASE WHEN t.sales_ends_at > pg_catalog.now() THEN 1000 ELSE 10 END AS opened
FROM public.tickets AS t
LEFT JOIN (
    SELECT
        h.ticket_id, pg_catalog.min(h.quantity) AS quantity,
        pg_catalog.count(*) FILTER (WHERE h.is_live AND h.place <= h.quantity) AS held
    FROM oeventdb_internal.holder_numbers AS h GROUP BY h.ticket_id
) AS n ON n.ticket_id = t.id
WHERE t.event_id IS NOT NULL AND oeventdb_internal.holders_unnumbered();

CREATE UNIQUE INDEX IF NOT EXISTS ticket_numbers_ticket ON oeventdb_internal.ticket_numbers (ticket_id);

ALTER TABLE oeventdb_internal.ticket_numbers REPLICA IDENTITY FULL;

-- The admissions of each ticket: 1..held for the holders, the rest free.
CREATE OR REPLACE PROCEDURE oeventdb_internal.fill_admissions()
LANGUAGE plpgsql
AS $procedure$
DECLARE
    v_task CONSTANT text := '0005.ticket-holders: admissions';
    v_from bigint;
    v_to bigint;
BEGIN
    SET LOCAL search_path = pg_catalog, pg_temp;
    INSERT INTO oeventdb_internal.progress (task, done, total, unit)
    -- ids may be 0 and below
    SELECT v_task, LEAST(pg_catalog.min(n.ticket_id)::bigint - 1, 0), COALESCE(pg_catalog.max(n.ticket_id), 0), 'ticket ids'
    FROM oeventdb_internal.ticket_numbers AS n
    ON CONFLICT (task) DO NOTHING;
    COMMIT;
    SET LOCAL search_path = pg_catalog, pg_temp;
    LOOP
        PERFORM pg_catalog.set_config('synchronous_commit', 'off', true);
        SELECT p.done INTO v_from FROM oeventdb_internal.progress AS p WHERE p.task = v_task FOR UPDATE;
        SELECT pg_catalog.max(s.ticket_id) INTO v_to FROM (
            SELECT n.ticket_id FROM oeventdb_internal.ticket_numbers AS n
            WHERE n.ticket_id > v_from ORDER BY n.ticket_id LIMIT 200
        ) AS s;
        EXIT WHEN v_to IS NULL;
        INSERT INTO oeventdb_internal.admissions (ticket_id, event_id, admission_no)
        SELECT n.ticket_id, n.event_id, s.admission_no
        FROM oeventdb_internal.ticket_numbers AS n
        CROSS JOIN LATERAL pg_catalog.generate_series(1, n.held) AS s (admission_no)
        WHERE n.ticket_id > v_from AND n.ticket_id <= v_to;
        PERFORM oeventdb_internal.add_admissions(n.ticket_id, n.event_id, n.held + 1, n.quantity, n.opened)
        FROM oeventdb_internal.ticket_numbers AS n
        WHERE n.ticket_id > v_from AND n.ticket_id <= v_to AND n.held < n.quantity;
        UPDATE oeventdb_internal.progress AS p SET done = v_to, updated_at = pg_catalog.now() WHERE p.task = v_task;
        COMMIT;
        SET LOCAL search_path = pg_catalog, pg_temp;
    END LOOP;
    COMMIT;
END
$procedure$;

CALL oeventdb_internal.fill_admissions();

-- Holders beyond the quantity are journaled and removed, and whatever row of other tables points at them is journaled with them.
CREATE OR REPLACE FUNCTION oeventdb_internal.remove_holders(holder_ids bigint[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_entries bigint[];
BEGIN
    -- locked first, so that nobody begins to point at them
    WITH surplus AS (
        SELECT h.id, pg_catalog.to_jsonb(h.*) - 'admission_no' AS old_row FROM public.ticket_holders AS h
        WHERE h.id = ANY (remove_holders.holder_ids) FOR UPDATE
    ), journaled AS (
        INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
        SELECT '0005.ticket-holders', 'ticket_holders', s.id::text, s.old_row, 'holder beyond the quantity, removed'
        FROM surplus AS s
        RETURNING id
    )
    SELECT pg_catalog.array_agg(j.id) INTO v_entries FROM journaled AS j;
    IF v_entries IS NOT NULL THEN
        PERFORM oeventdb_internal.journal_dependents('public.ticket_holders', v_entries);
        DELETE FROM public.ticket_holders AS h WHERE h.id = ANY (remove_holders.holder_ids);
        -- a trigger that returns NULL keeps a row without a word
        IF EXISTS (SELECT FROM public.ticket_holders AS h WHERE h.id = ANY (remove_holders.holder_ids)) THEN
            RAISE EXCEPTION 'a trigger of public.ticket_holders keeps rows from being deleted: %', (
                SELECT pg_catalog.string_agg(t.tgname, ', ' ORDER BY t.tgname) FROM pg_catalog.pg_trigger AS t
                WHERE t.tgrelid = 'public.ticket_holders'::regclass AND t.tgtype & 11 = 11 -- for each row, before, delete
                    AND NOT t.tgisinternal AND t.tgenabled <> 'D'
            ) USING HINT = 'Disable it, run the command again, and enable it afterwards.';
        END IF;
    END IF;
END
$function$;

-- A few at a time, as many as have gone in a fifth of a second: where another table points at holders without an index, each takes a look at all of it.
CREATE OR REPLACE PROCEDURE oeventdb_internal.remove_surplus_holders()
LANGUAGE plpgsql
AS $procedure$
DECLARE
    v_task CONSTANT text := '0005.ticket-holders: surplus';
    v_most integer := 1;
    v_from bigint;
    v_ids bigint[];
    v_until timestamptz;
    v_is_slow boolean := false;
    v_is_told boolean := false;
    v_failures integer := 0;
BEGIN
    SET LOCAL search_path = pg_catalog, pg_temp;
    INSERT INTO oeventdb_internal.progress (task, done, total, unit)
    SELECT v_task, LEAST(pg_catalog.min(n.holder_id)::bigint - 1, 0), COALESCE(pg_catalog.max(n.holder_id), 0), 'ids'
    FROM oeventdb_internal.holder_numbers AS n WHERE n.place > n.quantity
    ON CONFLICT (task) DO NOTHING;
    COMMIT;
    SET LOCAL search_path = pg_catalog, pg_temp;
    LOOP
        PERFORM pg_catalog.set_config('synchronous_commit', 'off', true);
        PERFORM pg_catalog.set_config('lock_timeout', '300ms', true);
        BEGIN
            SELECT p.done INTO v_from FROM oeventdb_internal.progress AS p WHERE p.task = v_task FOR UPDATE;
            v_until := pg_catalog.clock_timestamp() + '200 ms'::interval;
            LOOP
                v_ids := ARRAY(
                    SELECT n.holder_id FROM oeventdb_internal.holder_numbers AS n
                    WHERE n.place > n.quantity AND n.holder_id > v_from ORDER BY n.holder_id LIMIT v_most
                );
                EXIT WHEN v_ids = '{}' OR pg_catalog.clock_timestamp() > v_until;
                PERFORM oeventdb_internal.remove_holders(ARRAY(
                    SELECT h.id FROM oeventdb_internal.holder_numbers AS n
                    INNER JOIN public.ticket_holders AS h ON h.id = n.holder_id AND h.ticket_id = n.ticket_id
                    INNER JOIN public.tickets AS t ON t.id = n.ticket_id
                    WHERE n.holder_id = ANY (v_ids) AND n.place > GREATEST(COALESCE(t.quantity, 2147483647), 0)
                        AND NOT EXISTS (SELECT FROM oeventdb_internal.holders_written AS w WHERE w.holder_id = h.id)
                        AND NOT EXISTS (SELECT FROM oeventdb_internal.orders_written AS w WHERE w.order_id = h.order_id)
                    FOR UPDATE OF h
                ));
                -- whose ticket has room by now, or who may have come to life: they are looked at again
                INSERT INTO oeventdb_internal.holders_written (holder_id)
                SELECT h.id FROM public.ticket_holders AS h WHERE h.id = ANY (v_ids);
                v_from := v_ids[pg_catalog.cardinality(v_ids)];
                v_is_slow := v_most = 1 AND pg_catalog.clock_timestamp() > v_until;
                v_most := CASE WHEN pg_catalog.clock_timestamp() > v_until THEN GREATEST(v_most / 2, 1) ELSE LEAST(v_most * 2, 8000) END;
            END LOOP;
            UPDATE oeventdb_internal.progress AS p SET done = v_from, updated_at = pg_catalog.now() WHERE p.task = v_task;
            v_failures := 0;
            IF v_is_slow AND NOT v_is_told THEN
                v_is_told := true;
                RAISE WARNING 'holders beyond the quantity are removed one by one: each takes long; foreign keys without an index: %', (
                    SELECT COALESCE(pg_catalog.string_agg(pg_catalog.format('%s of %s', c.conname, c.conrelid::regclass), ', '), 'none')
                    FROM pg_catalog.pg_constraint AS c
                    WHERE c.contype = 'f' AND c.confrelid = 'public.ticket_holders'::regclass AND NOT EXISTS (
                        SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.conrelid AND i.indkey[0] = ANY (c.conkey)
                    )
                );
            END IF;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            -- somebody holds one of these rows: let go of the others before trying again
            v_failures := v_failures + 1;
            IF v_failures > 1000 THEN
                RAISE;
            END IF;
        END;
        COMMIT;
        SET LOCAL search_path = pg_catalog, pg_temp;
        EXIT WHEN v_ids = '{}';
        PERFORM pg_catalog.pg_sleep(LEAST(v_failures, 10) * 0.02);
    END LOOP;
END
$procedure$;

CALL oeventdb_internal.remove_surplus_holders();

-- The holders get their numbers and their ticket's event. Eight turns over each stretch of ids: what one turn leaves behind makes room for the next on
-- the same page.
CREATE OR REPLACE PROCEDURE oeventdb_internal.number_holders()
LANGUAGE plpgsql
AS $procedure$
DECLARE
    v_task CONSTANT text := '0005.ticket-holders: holders';
    v_turns CONSTANT integer := 8;
    v_turn integer := 0;
    v_from bigint;
    v_to bigint;
    v_failures integer := 0;
BEGIN
    SET LOCAL search_path = pg_catalog, pg_temp;
    INSERT INTO oeventdb_internal.progress (task, done, total, unit)
    SELECT v_task, LEAST(pg_catalog.min(n.holder_id)::bigint - 1, 0), COALESCE(pg_catalog.max(n.holder_id), 0), 'ids'
    FROM oeventdb_internal.holder_numbers AS n
    ON CONFLICT (task) DO NOTHING;
    COMMIT;
    SET LOCAL search_path = pg_catalog, pg_temp;
    LOOP
        PERFORM pg_catalog.set_config('synchronous_commit', 'off', true);
        PERFORM pg_catalog.set_config('lock_timeout', '300ms', true);
        BEGIN
            SELECT p.done INTO v_from FROM oeventdb_internal.progress AS p WHERE p.task = v_task FOR UPDATE;
            SELECT pg_catalog.max(s.holder_id) INTO v_to FROM (
                SELECT n.holder_id FROM oeventdb_internal.holder_numbers AS n
                WHERE n.holder_id > v_from ORDER BY n.holder_id LIMIT 8000
            ) AS s;
            EXIT WHEN v_to IS NULL;
            UPDATE public.ticket_holders AS h SET admission_no = n.place
            FROM oeventdb_internal.holder_numbers AS n
            WHERE n.holder_id > v_from AND n.holder_id <= v_to
                AND pg_catalog.hashint8(n.holder_id) & 7 = v_turn
                AND n.is_live AND n.place <= n.quantity
                AND h.id = n.holder_id AND h.ticket_id = n.ticket_id AND h.event_id = n.event_id AND h.admission_no IS NULL
                -- of one that was numbered before a kill, and has been away since, the number is free already; looked up one by one, by OFFSET 0,
                -- and first whether it is free: the notes may be many and without statistics, and would be read from end to end for each holder
                AND NOT EXISTS (
                    SELECT FROM oeventdb_internal.free_admissions AS f
                    WHERE f.ticket_id = n.ticket_id AND f.place = oeventdb_internal.admission_place(n.place::integer)
                        AND EXISTS (
                            SELECT FROM oeventdb_internal.holders_written AS w WHERE w.holder_id = n.holder_id OFFSET 0
                        ) OFFSET 0
                );
            WITH wrong AS (
                SELECT
                    h.id, n.event_id AS right_event_id, CASE WHEN n.is_live THEN n.place END AS number,
                    h.event_id AS old_event_id,
                    CASE WHEN h.event_id IS NULL
                         THEN pg_catalog.jsonb_build_object('id', h.id, 'ticket_id', h.ticket_id, 'event_id', h.event_id)
                         ELSE pg_catalog.to_jsonb(h.*) - 'admission_no' END AS old_row
                FROM oeventdb_internal.holder_numbers AS n
                INNER JOIN public.ticket_holders AS h ON h.id = n.holder_id AND h.ticket_id = n.ticket_id
                -- it may have moved while this holder was away: then the holder has been written, and is looked at again
                INNER JOIN public.tickets AS t ON t.id = n.ticket_id AND t.event_id = n.event_id
                WHERE n.holder_id > v_from AND n.holder_id <= v_to
                    AND pg_catalog.hashint8(n.holder_id) & 7 = v_turn
                    AND n.place <= n.quantity AND h.event_id IS DISTINCT FROM n.event_id
                    -- one that is gone, as old rows may have it, cannot be filled in
                    AND EXISTS (SELECT FROM public.events AS e WHERE e.id = n.event_id)
                FOR NO KEY UPDATE OF h FOR KEY SHARE OF t
            ), journaled AS (
                INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
                SELECT
                    '0005.ticket-holders', 'ticket_holders', w.id::text, w.old_row,
                    oeventdb_internal.event_correction(w.old_event_id)
                FROM wrong AS w
            )
            UPDATE public.ticket_holders AS h SET admission_no = w.number, event_id = w.right_event_id
            FROM wrong AS w WHERE h.id = w.id;
            IF v_turn = v_turns - 1 THEN
                UPDATE oeventdb_internal.progress AS p SET done = v_to, updated_at = pg_catalog.now() WHERE p.task = v_task;
            END IF;
            v_turn := (v_turn + 1) % v_turns;
            v_failures := 0;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            -- somebody holds one of these rows: let go of the others before trying again
            v_failures := v_failures + 1;
            IF v_failures > 1000 THEN
                RAISE;
            END IF;
        END;
        COMMIT;
        SET LOCAL search_path = pg_catalog, pg_temp;
        PERFORM pg_catalog.pg_sleep(LEAST(v_failures, 10) * 0.02);
    END LOOP;
    COMMIT;
END
$procedure$;

CALL oeventdb_internal.number_holders();

-- The number of a holder that was deleted, or changed its ticket, before it was numbered is free.
INSERT INTO oeventdb_internal.free_admissions (ticket_id, place, admission_no)
SELECT n.ticket_id, oeventdb_internal.admission_place(n.place::integer), n.place
FROM oeventdb_internal.holder_numbers AS n
INNER JOIN oeventdb_internal.admissions AS a -- not there for a ticket that was deleted before; one that has moved may have the other event
    ON a.ticket_id = n.ticket_id AND a.admission_no = n.place
LEFT JOIN public.ticket_holders AS h ON h.ticket_id = n.ticket_id AND h.admission_no = n.place
WHERE n.is_live AND n.place <= n.quantity AND h.id IS NULL
    AND pg_catalog.to_regclass('public.ticket_event') IS NULL
ON CONFLICT DO NOTHING;

SELECT oeventdb_internal.drop_unfinished_index('ticket_event');

CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ticket_event ON public.ticket_holders (ticket_id, event_id, admission_no);

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 'public.ticket_holders'::regclass AND conname = 'ticket_event'
    ) THEN
        ALTER TABLE public.ticket_holders ADD CONSTRAINT ticket_event UNIQUE USING INDEX ticket_event;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 'public.ticket_holders'::regclass AND conname = 'ticket_holders_admission_complete'
    ) THEN
        -- a NULL in the foreign key or the unique key would switch them off
        ALTER TABLE public.ticket_holders ADD CONSTRAINT ticket_holders_admission_complete
            CHECK (admission_no IS NULL OR (ticket_id IS NOT NULL AND event_id IS NOT NULL)) NOT VALID;
    END IF;
END
$$;

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 'public.tickets'::regclass AND conname = 'tickets_quantity'
    ) THEN
        ALTER TABLE public.tickets ADD CONSTRAINT tickets_quantity CHECK (quantity >= 0) NOT VALID;
    END IF;
END
$$;

-- A ticket that was written: its admissions follow its event and quantity as they are now, and those who hold one beyond are journaled and removed.
CREATE OR REPLACE FUNCTION oeventdb_internal.reconcile_ticket(ticket_id bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    v_ticket record;
    v_had oeventdb_internal.ticket_numbers;
BEGIN
    SELECT t.event_id, GREATEST(COALESCE(t.quantity, 2147483647), 0) AS quantity INTO v_ticket
    FROM public.tickets AS t WHERE t.id = reconcile_ticket.ticket_id AND t.event_id IS NOT NULL
    FOR SHARE; -- it must not move to another event meanwhile
    IF NOT FOUND THEN
        UPDATE public.ticket_holders AS h SET admission_no = NULL
        WHERE h.ticket_id = reconcile_ticket.ticket_id AND h.admission_no IS NOT NULL;
        DELETE FROM oeventdb_internal.admissions AS a WHERE a.ticket_id = reconcile_ticket.ticket_id;
        DELETE FROM oeventdb_internal.free_admissions AS f WHERE f.ticket_id = reconcile_ticket.ticket_id;
        DELETE FROM oeventdb_internal.admission_ranges AS r WHERE r.ticket_id = reconcile_ticket.ticket_id;
        DELETE FROM oeventdb_internal.ticket_numbers AS n WHERE n.ticket_id = reconcile_ticket.ticket_id;
        RETURN;
    END IF;

    SELECT n.* INTO v_had FROM oeventdb_internal.ticket_numbers AS n WHERE n.ticket_id = reconcile_ticket.ticket_id;
    UPDATE oeventdb_internal.admissions AS a SET event_id = v_ticket.event_id
    WHERE a.ticket_id = reconcile_ticket.ticket_id AND v_had.event_id <> v_ticket.event_id;

    IF v_ticket.quantity < v_had.quantity THEN
        PERFORM oeventdb_internal.remove_holders(ARRAY(
            SELECT s.id FROM public.ticket_holders AS s
            WHERE s.id = ANY (ARRAY(
                SELECT h.id FROM public.ticket_holders AS h
                LEFT JOIN public.orders AS o ON o.id = h.order_id
                WHERE h.ticket_id = reconcile_ticket.ticket_id AND h.admission_no IS NOT NULL
                ORDER BY oeventdb_internal.order_rank(o.status), h.id OFFSET v_ticket.quantity
            )) AND s.ticket_id = reconcile_ticket.ticket_id AND s.admission_no IS NOT NULL
            FOR UPDATE -- one that has to be waited for may go to another ticket
        ));
    END IF;
    IF v_ticket.quantity > COALESCE(v_had.quantity, 0) THEN
        -- a few opened at once: a quantity that goes up and down must cost less here than its writer
        PERFORM oeventdb_internal.add_admissions(
            reconcile_ticket.ticket_id, v_ticket.event_id, COALESCE(v_had.quantity, 0) + 1, v_ticket.quantity, 10
        );
    ELSE
        PERFORM oeventdb_internal.resize_ticket(
            reconcile_ticket.ticket_id, v_ticket.event_id, COALESCE(v_had.quantity, 0), v_ticket.quantity
        );
    END IF;
    INSERT INTO oeventdb_internal.ticket_numbers AS n (ticket_id, event_id, quantity)
    VALUES (reconcile_ticket.ticket_id, v_ticket.event_id, v_ticket.quantity)
    ON CONFLICT (ticket_id) DO UPDATE SET event_id = EXCLUDED.event_id, quantity = EXCLUDED.quantity;
END
$function$;

-- A holder that was written: its old event is corrected, if the numbering has not come to it; one of a live order gets a free admission or is
-- journaled and removed, one of a dead order gives its own up.
CREATE OR REPLACE FUNCTION oeventdb_internal.reconcile_holder(holder_id bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_holder record;
    v_number integer;
BEGIN
    SELECT
        h.ticket_id, h.admission_no, h.event_id AS old_event_id, t.event_id,
        t.event_id IS NOT NULL AND oeventdb_internal.order_is_live(o.status)
        AND (h.event_id = t.event_id OR EXISTS (SELECT FROM public.events AS e WHERE e.id = t.event_id)) AS is_admitted
    INTO v_holder
    FROM public.ticket_holders AS h
    LEFT JOIN public.tickets AS t ON t.id = h.ticket_id
    LEFT JOIN public.orders AS o ON o.id = h.order_id
    WHERE h.id = reconcile_holder.holder_id
    FOR NO KEY UPDATE OF h;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF v_holder.event_id IS DISTINCT FROM v_holder.old_event_id
        AND EXISTS (SELECT FROM public.events AS e WHERE e.id = v_holder.event_id)
    THEN
        INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
        SELECT
            '0005.ticket-holders', 'ticket_holders', h.id::text, pg_catalog.to_jsonb(h.*) - 'admission_no',
            oeventdb_internal.event_correction(h.event_id)
        FROM public.ticket_holders AS h WHERE h.id = reconcile_holder.holder_id;
        UPDATE public.ticket_holders AS h SET event_id = v_holder.event_id WHERE h.id = reconcile_holder.holder_id;
    END IF;
    IF v_holder.is_admitted = (v_holder.admission_no IS NOT NULL) THEN
        RETURN;
    END IF;

    IF v_holder.is_admitted THEN
        -- without the wait of claim_admissions for what others may give back: here, clients could add holders faster than one is seen to
        v_number := (oeventdb_internal.take_free_admissions(v_holder.ticket_id, 1))[1];
        IF v_number IS NULL AND oeventdb_internal.open_next_range(v_holder.ticket_id, v_holder.event_id) THEN
            v_number := (oeventdb_internal.take_free_admissions(v_holder.ticket_id, 1))[1];
        END IF;
        IF v_number IS NULL THEN
            PERFORM oeventdb_internal.remove_holders(ARRAY[reconcile_holder.holder_id]);
            RETURN;
        END IF;
    END IF;
    UPDATE public.ticket_holders AS h SET admission_no = v_number WHERE h.id = reconcile_holder.holder_id;
END
$function$;

-- A few notes are taken off, with all others of the same row, and seen to; how many is returned. As long as there are more of tickets, only those;
-- then an order's note becomes notes of the holders that it has by now, and the holders' notes are read before the tickets' that are left, so that
-- whatever a holder's writer knew of the ticket has been seen to when its turn comes.
CREATE OR REPLACE FUNCTION oeventdb_internal.reconcile_written(most integer) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_orders bigint[];
    v_holders bigint[];
    v_tickets bigint[];
BEGIN
    IF (
        SELECT pg_catalog.count(*) FROM (SELECT FROM oeventdb_internal.tickets_written LIMIT reconcile_written.most) AS s
    ) < reconcile_written.most THEN
        WITH noted AS (
            DELETE FROM oeventdb_internal.orders_written AS w
            WHERE w.order_id = ANY (
                ARRAY(SELECT s.order_id FROM oeventdb_internal.orders_written AS s LIMIT reconcile_written.most)
            )
            RETURNING w.order_id
        )
        SELECT pg_catalog.array_agg(n.order_id) INTO v_orders FROM noted AS n;
        INSERT INTO oeventdb_internal.holders_written (holder_id)
        SELECT h.id FROM public.ticket_holders AS h WHERE h.order_id = ANY (v_orders);
        WITH noted AS (
            DELETE FROM oeventdb_internal.holders_written AS w
            WHERE w.holder_id = ANY (
                ARRAY(SELECT s.holder_id FROM oeventdb_internal.holders_written AS s LIMIT reconcile_written.most)
            )
            RETURNING w.holder_id
        )
        SELECT pg_catalog.array_agg(n.holder_id) INTO v_holders FROM noted AS n;
    END IF;
    WITH noted AS (
        DELETE FROM oeventdb_internal.tickets_written AS w
        WHERE v_holders IS NOT NULL OR w.ticket_id = ANY (
            ARRAY(SELECT s.ticket_id FROM oeventdb_internal.tickets_written AS s LIMIT reconcile_written.most)
        )
        RETURNING w.ticket_id
    )
    SELECT pg_catalog.array_agg(n.ticket_id) INTO v_tickets FROM noted AS n;
    PERFORM oeventdb_internal.reconcile_ticket(s.id) FROM (SELECT DISTINCT pg_catalog.unnest(v_tickets)) AS s (id);
    PERFORM oeventdb_internal.reconcile_holder(s.id) FROM (SELECT DISTINCT pg_catalog.unnest(v_holders)) AS s (id);
    RETURN GREATEST(pg_catalog.cardinality(v_orders), pg_catalog.cardinality(v_holders), pg_catalog.cardinality(v_tickets), 0);
END
$function$;

-- The rule is on, from one short transaction on, in which nobody else writes: it begins when only the notes of the last moment are left. Where
-- clients write more notes than are seen to beside them, they are kept waiting for a quarter of a second at a time, so that it comes to an end.
CREATE OR REPLACE PROCEDURE oeventdb_internal.turn_holder_rule_on()
LANGUAGE plpgsql
AS $procedure$
DECLARE
    v_few CONSTANT integer := 20;
    v_seen bigint := v_few;
    v_until timestamptz;
    v_failures integer := 0;
    v_refusals integer := 0;
    v_takes_turn boolean := true;
    v_left bigint;
    v_were_left bigint;
    v_counted_at timestamptz := '-infinity';
    v_is_gaining boolean := true;
BEGIN
    SET LOCAL search_path = pg_catalog, pg_temp;
    IF NOT oeventdb_internal.holders_unnumbered() THEN
        RETURN;
    END IF;
    COMMIT;
    SET LOCAL search_path = pg_catalog, pg_temp;
    LOOP
        IF pg_catalog.clock_timestamp() > v_counted_at + '3 s'::interval THEN
            SELECT (SELECT pg_catalog.count(*) FROM oeventdb_internal.holders_written)
                + (SELECT pg_catalog.count(*) FROM oeventdb_internal.orders_written)
                + (SELECT pg_catalog.count(*) FROM oeventdb_internal.tickets_written) INTO v_left;
            -- once lost, for good: what is gained while they wait would be lost again
            v_is_gaining := v_is_gaining AND COALESCE(v_left < v_were_left * 0.95, true);
            v_were_left := v_left;
            v_counted_at := pg_catalog.clock_timestamp();
        END IF;
        PERFORM pg_catalog.set_config('lock_timeout', '200ms', true);
        PERFORM pg_catalog.set_config('synchronous_commit', 'off', true);
        BEGIN
            IF v_seen < v_few OR (NOT v_is_gaining AND v_takes_turn) THEN
                v_takes_turn := false;
                LOCK TABLE public.tickets, public.orders, public.ticket_holders IN SHARE ROW EXCLUSIVE MODE;
                v_takes_turn := true;
                v_refusals := 0;
                v_until := pg_catalog.clock_timestamp() + '250 ms'::interval;
                LOOP
                    v_seen := oeventdb_internal.reconcile_written(v_few);
                    EXIT WHEN v_seen = 0 OR pg_catalog.clock_timestamp() > v_until;
                END LOOP;
                IF v_seen = 0 THEN
                    CREATE OR REPLACE TRIGGER ticket_holder_admission BEFORE INSERT ON public.ticket_holders
                        FOR EACH ROW EXECUTE FUNCTION oeventdb_internal.ticket_holder_admission();
                    -- and not of a list of columns: a BEFORE trigger may change a column that the UPDATE does not name
                    CREATE OR REPLACE TRIGGER ticket_holder_admission_update BEFORE UPDATE ON public.ticket_holders FOR EACH ROW
                        WHEN (OLD.ticket_id IS DISTINCT FROM NEW.ticket_id OR OLD.event_id IS DISTINCT FROM NEW.event_id
                            OR OLD.order_id IS DISTINCT FROM NEW.order_id OR OLD.admission_no IS DISTINCT FROM NEW.admission_no)
                        EXECUTE FUNCTION oeventdb_internal.ticket_holder_admission();
                    CREATE OR REPLACE TRIGGER ticket_holder_release AFTER DELETE ON public.ticket_holders
                        FOR EACH ROW WHEN (OLD.admission_no IS NOT NULL)
                        EXECUTE FUNCTION oeventdb_internal.ticket_holder_release();
                    CREATE OR REPLACE TRIGGER ticket_holder_release_update AFTER UPDATE ON public.ticket_holders FOR EACH ROW
                        WHEN (OLD.admission_no IS NOT NULL
                            AND (OLD.ticket_id, OLD.admission_no) IS DISTINCT FROM (NEW.ticket_id, NEW.admission_no))
                        EXECUTE FUNCTION oeventdb_internal.ticket_holder_release();
                    CREATE OR REPLACE TRIGGER ticket_holders_truncated AFTER TRUNCATE ON public.ticket_holders
                        FOR EACH STATEMENT EXECUTE FUNCTION oeventdb_internal.ticket_holder_release();
                    CREATE OR REPLACE TRIGGER ticket_quantity AFTER INSERT OR UPDATE ON public.tickets
                        FOR EACH ROW EXECUTE FUNCTION oeventdb_internal.ticket_quantity();
                    CREATE OR REPLACE TRIGGER ticket_removed AFTER DELETE ON public.tickets
                        FOR EACH ROW EXECUTE FUNCTION oeventdb_internal.ticket_removed();
                    CREATE OR REPLACE TRIGGER tickets_truncated AFTER TRUNCATE ON public.tickets
                        FOR EACH STATEMENT EXECUTE FUNCTION oeventdb_internal.ticket_removed();
                    -- before: the foreign key below would have the admissions follow to no event
                    CREATE OR REPLACE TRIGGER ticket_without_event BEFORE UPDATE OF event_id ON public.tickets
                        FOR EACH ROW WHEN (OLD.event_id IS NOT NULL AND NEW.event_id IS NULL)
                        EXECUTE FUNCTION oeventdb_internal.ticket_removed();
                    CREATE OR REPLACE TRIGGER order_liveness AFTER UPDATE ON public.orders FOR EACH ROW
                        -- spelled out: a condition is evaluated as the writer, who may call no function of ours
                        WHEN (
                            COALESCE(OLD.status <> ALL (ARRAY['cancelled', 'expired', 'deleted']), true)
                            <> COALESCE(NEW.status <> ALL (ARRAY['cancelled', 'expired', 'deleted']), true)
                        )
                        EXECUTE FUNCTION oeventdb_internal.order_liveness();
                    ALTER TABLE public.ticket_holders ADD CONSTRAINT ticket_holders_admission
                        FOREIGN KEY (ticket_id, event_id, admission_no) REFERENCES oeventdb_internal.admissions NOT VALID;
                    ALTER TABLE oeventdb_internal.admissions ADD CONSTRAINT admissions_ticket
                        FOREIGN KEY (event_id, ticket_id) REFERENCES public.tickets (event_id, id)
                        ON UPDATE CASCADE ON DELETE CASCADE NOT VALID;
                    v_seen := -1;
                ELSE
                    v_seen := v_few;
                END IF;
            ELSE
                -- a tenth of a second at a time: what is locked here is wanted by others
                v_takes_turn := true;
                v_until := pg_catalog.clock_timestamp() + '100 ms'::interval;
                LOOP
                    v_seen := oeventdb_internal.reconcile_written(v_few);
                    EXIT WHEN v_seen < v_few OR pg_catalog.clock_timestamp() > v_until;
                END LOOP;
                v_failures := 0;
            END IF;
        EXCEPTION WHEN lock_not_available OR deadlock_detected OR SQLSTATE 'OE104' THEN
            -- let go of everything before trying again, and see first to what was written meanwhile
            v_seen := v_few;
            v_failures := v_failures + 1;
            v_refusals := v_refusals + 1;
            IF v_refusals > 1000 THEN
                RAISE;
            END IF;
        END;
        COMMIT;
        SET LOCAL search_path = pg_catalog, pg_temp;
        EXIT WHEN v_seen < 0;
        PERFORM pg_catalog.pg_sleep(LEAST(v_failures, 10) * 0.02);
    END LOOP;
END
$procedure$;

CALL oeventdb_internal.turn_holder_rule_on();

ALTER TABLE public.ticket_holders VALIDATE CONSTRAINT ticket_holders_admission_complete;

ALTER TABLE public.ticket_holders VALIDATE CONSTRAINT ticket_holders_admission;

ALTER TABLE oeventdb_internal.admissions VALIDATE CONSTRAINT admissions_ticket;

-- Deleting a ticket took its holders and order lines with it; now they keep it from being deleted. The new key first, the old one when that is
-- validated, each in a short transaction of its own.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 'public.ticket_holders'::regclass AND conname = 'ticket_holders_ticket'
    ) THEN
        ALTER TABLE public.ticket_holders ADD CONSTRAINT ticket_holders_ticket
            FOREIGN KEY (ticket_id) REFERENCES public.tickets NOT VALID;
    END IF;
END
$$;

SELECT oeventdb_internal.validate_reference('public.ticket_holders', 'ticket_holders_ticket');

SELECT oeventdb_internal.drop_reference('0005.ticket-holders', 'public.ticket_holders', 'ticket_id', 'public.tickets');

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 'public.orders_tickets'::regclass AND conname = 'orders_tickets_ticket'
    ) THEN
        ALTER TABLE public.orders_tickets ADD CONSTRAINT orders_tickets_ticket
            FOREIGN KEY (ticket_id) REFERENCES public.tickets NOT VALID;
    END IF;
END
$$;

SELECT oeventdb_internal.validate_reference('public.orders_tickets', 'orders_tickets_ticket');

SELECT oeventdb_internal.drop_reference('0005.ticket-holders', 'public.orders_tickets', 'ticket_id', 'public.tickets');

-- What only this migration needed.
DROP PROCEDURE IF EXISTS oeventdb_internal.turn_holder_rule_on();

DROP FUNCTION IF EXISTS oeventdb_internal.reconcile_written(integer);

DROP FUNCTION IF EXISTS oeventdb_internal.reconcile_holder(bigint);

DROP FUNCTION IF EXISTS oeventdb_internal.reconcile_ticket(bigint);

DROP PROCEDURE IF EXISTS oeventdb_internal.number_holders();

DROP PROCEDURE IF EXISTS oeventdb_internal.remove_surplus_holders();

DROP FUNCTION IF EXISTS oeventdb_internal.remove_holders(bigint[]);

DROP PROCEDURE IF EXISTS oeventdb_internal.fill_admissions();

DROP FUNCTION IF EXISTS oeventdb_internal.order_rank(text);

DROP FUNCTION IF EXISTS oeventdb_internal.holders_unnumbered();

DROP FUNCTION IF EXISTS oeventdb_internal.order_written();

DROP FUNCTION IF EXISTS oeventdb_internal.ticket_written();

DROP FUNCTION IF EXISTS oeventdb_internal.ticket_holder_in_step();

DROP FUNCTION IF EXISTS oeventdb_internal.ticket_holder_left();

DROP TABLE IF EXISTS oeventdb_internal.ticket_numbers;

DROP TABLE IF EXISTS oeventdb_internal.holder_numbers;

DROP TABLE IF EXISTS oeventdb_internal.orders_written;

DROP TABLE IF EXISTS oeventdb_internal.holders_written;

DROP TABLE IF EXISTS oeventdb_internal.tickets_written;

DELETE FROM oeventdb_internal.progress WHERE task LIKE '0005.ticket-holders: %';
