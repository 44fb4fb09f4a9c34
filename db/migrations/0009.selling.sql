-- Orders are sold by function, exactly: lines keep what they cost, codes count their uses, every state is written down, holds expire.
-- transactional: false
-- depends: 0008.quarantine-restore

ALTER TABLE public.orders
    ADD COLUMN IF NOT EXISTS email varchar,
    ADD COLUMN IF NOT EXISTS currency varchar,
    ADD COLUMN IF NOT EXISTS expires_at timestamptz,
    ADD COLUMN IF NOT EXISTS discount_seats integer,
    ADD COLUMN IF NOT EXISTS access_code_id bigint,
    ADD COLUMN IF NOT EXISTS access_seats integer;

COMMENT ON COLUMN public.orders.email IS 'The buyer''s e-mail address.';

COMMENT ON COLUMN public.orders.currency IS
'The currency of amount, of the prices and of the discounts: ISO 4217, as the event had it when the order was placed.';

COMMENT ON COLUMN public.orders.expires_at IS 'Until when a pending order is held.';

COMMENT ON COLUMN public.orders.discount_seats IS 'The seats that used discount_code_id; while the order is live they count as its uses.';

COMMENT ON COLUMN public.orders.access_seats IS 'The seats that used access_code_id; while the order is live they count as its uses.';

ALTER TABLE public.orders_tickets
    ADD COLUMN IF NOT EXISTS price numeric,
    ADD COLUMN IF NOT EXISTS discount numeric;

COMMENT ON COLUMN public.orders_tickets.price IS 'Price of a seat when it was sold, before the discount; NULL in orders that were not sold by place_order.';

COMMENT ON COLUMN public.orders_tickets.discount IS 'What the discount code took off a seat.';

ALTER TABLE public.ticket_holders ADD COLUMN IF NOT EXISTS checked_in_at timestamptz;

COMMENT ON COLUMN public.ticket_holders.checked_in_at IS 'When the holder was let in; NULL while not checked in, or checked in by other means than check_in.';

ALTER TABLE public.discount_codes ADD COLUMN IF NOT EXISTS used_number integer NOT NULL DEFAULT 0;

ALTER TABLE public.access_codes ADD COLUMN IF NOT EXISTS used_number integer NOT NULL DEFAULT 0;

COMMENT ON COLUMN public.discount_codes.used_number IS 'Seats of live orders that used the code, at most tickets_number; 0 for a code without limit.';

COMMENT ON COLUMN public.access_codes.used_number IS 'Seats of live orders that used the code, at most tickets_number; 0 for a code without limit.';

CREATE TABLE IF NOT EXISTS oeventdb_internal.order_requests (
    idempotency_key text PRIMARY KEY,
    request_digest bytea NOT NULL,
    order_id bigint CONSTRAINT order_requests_order REFERENCES public.orders ON DELETE CASCADE,
    requested_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

COMMENT ON TABLE oeventdb_internal.order_requests IS
'The idempotency keys of place_order with the SHA-256 of the request and the order it made.';

CREATE INDEX IF NOT EXISTS order_requests_order_id ON oeventdb_internal.order_requests (order_id);

CREATE TABLE IF NOT EXISTS oeventdb_internal.order_history (
    order_id bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    from_status text,
    to_status text,
    changed_by text NOT NULL,
    application_user text
);

COMMENT ON TABLE oeventdb_internal.order_history IS
'Every state of every order: from which, to which, when, by which role, and for whom (SET LOCAL oeventdb."user" = ...). Rows are only ever added.';

CREATE INDEX IF NOT EXISTS order_history_order_id ON oeventdb_internal.order_history (order_id);

DO $$
BEGIN
    IF pg_catalog.to_regtype('oeventdb_internal.order_line') IS NULL THEN
        CREATE TYPE oeventdb_internal.order_line AS (
            ticket_id bigint, quantity integer, price numeric, holders jsonb, type text, discount numeric,
            discount_code_id bigint, is_accessible boolean, admissions integer[]
        );
        CREATE TYPE oeventdb_internal.priced_order AS (
            lines oeventdb_internal.order_line[], seats integer, amount numeric, currency text,
            discount_code_id bigint, discount_seats integer, access_code_id bigint, access_seats integer
        );
        CREATE TYPE oeventdb."order" AS (
            id bigint, identifier text, event_id bigint, status text, amount numeric, currency text, email text,
            discount_code_id bigint, access_code_id bigint, created_at timestamptz, expires_at timestamptz,
            completed_at timestamptz, payment_reference text, cancel_note text
        );
        COMMENT ON TYPE oeventdb."order" IS
        'An order of one event: status is pending (held until expires_at), completed, cancelled or expired; amount is the sum of its lines, in currency.
Nullable: event_id, amount, currency, email, discount_code_id, access_code_id, created_at, expires_at, completed_at, payment_reference, cancel_note.';
    END IF;
END
$$;

-- >>> db/procedures/selling/order_holders_fault.sql
-- What is wrong with the holders named in a line of an order, in words; NULL when nothing is.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_holders_fault(
    holders jsonb,
    quantity integer
) RETURNS text
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_catalog.jsonb_typeof(order_holders_fault.holders) <> 'array' THEN
        RETURN 'holders is no array';
    ELSIF pg_catalog.jsonb_array_length(order_holders_fault.holders) > order_holders_fault.quantity THEN
        RETURN 'holders names more people than seats';
    ELSIF EXISTS (
        SELECT FROM pg_catalog.jsonb_array_elements(order_holders_fault.holders) AS h
        WHERE pg_catalog.jsonb_typeof(h.value) <> 'object'
    ) THEN
        RETURN 'holders has an element that is no object';
    ELSIF EXISTS (
        SELECT FROM pg_catalog.jsonb_array_elements(order_holders_fault.holders) AS h
        CROSS JOIN LATERAL pg_catalog.jsonb_each(h.value) AS k
        WHERE k.key <> ALL (ARRAY['firstname', 'lastname', 'email'])
            OR pg_catalog.jsonb_typeof(k.value) NOT IN ('string', 'null')
            OR pg_catalog.length(k.value #>> '{}') > 1000
    ) THEN
        RETURN 'holders has keys other than firstname, lastname and email, or values that are no text of at most 1000 characters';
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_holders_fault(jsonb, integer) IS
'Why the holders of a line are none.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_holders_fault(jsonb, integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/order_line_fault.sql
-- What is wrong with one line of an order, in words; NULL when nothing is.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_line_fault(
    line jsonb
) RETURNS text
LANGUAGE plpgsql
IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- one expression: each is made ready again in every transaction, which takes longer than to evaluate it
    RETURN CASE
        WHEN pg_catalog.jsonb_typeof(order_line_fault.line) <> 'object' THEN 'is no object'
        WHEN order_line_fault.line - ARRAY['ticket_id', 'quantity', 'price', 'holders'] <> '{}'
            THEN 'has keys other than ticket_id, quantity, price and holders'
        WHEN pg_catalog.jsonb_typeof(order_line_fault.line -> 'ticket_id') IS DISTINCT FROM 'number' THEN 'ticket_id is no number'
        WHEN (order_line_fault.line -> 'ticket_id')::numeric <> pg_catalog.trunc((order_line_fault.line -> 'ticket_id')::numeric)
            OR (order_line_fault.line -> 'ticket_id')::numeric NOT BETWEEN 1 AND 9223372036854775807
            THEN 'ticket_id is no id'
        WHEN pg_catalog.jsonb_typeof(order_line_fault.line -> 'quantity') IS DISTINCT FROM 'number' THEN 'quantity is no number'
        WHEN (order_line_fault.line -> 'quantity')::numeric <> pg_catalog.trunc((order_line_fault.line -> 'quantity')::numeric)
            OR (order_line_fault.line -> 'quantity')::numeric NOT BETWEEN 1 AND 10000
            THEN 'quantity is no whole number from 1 to 10000'
        WHEN pg_catalog.jsonb_typeof(order_line_fault.line -> 'price') <> 'number' THEN 'price is no number'
        WHEN (order_line_fault.line -> 'price')::numeric NOT BETWEEN 0 AND 1000000000 THEN 'price is not from 0 to 1000000000'
        WHEN order_line_fault.line ? 'holders' THEN oeventdb_internal.order_holders_fault(
            order_line_fault.line -> 'holders', (order_line_fault.line -> 'quantity')::integer
        )
    END;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_line_fault(jsonb) IS
'Why a line is none: shape, keys, and ranges that need no look-up.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_line_fault(jsonb) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/read_order_lines.sql
-- The lines of an order are read strictly, before anything is looked up: what cannot be meant is refused by line and key.
CREATE OR REPLACE FUNCTION oeventdb_internal.read_order_lines(
    lines jsonb
) RETURNS oeventdb_internal.order_line[]
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_lines oeventdb_internal.order_line[] := ARRAY[]::oeventdb_internal.order_line[];
    v_line jsonb;
    v_wrong text := CASE
        WHEN read_order_lines.lines IS NULL THEN 'is NULL'
        WHEN pg_catalog.jsonb_typeof(read_order_lines.lines) <> 'array' THEN 'is no array'
        WHEN pg_catalog.jsonb_array_length(read_order_lines.lines) NOT BETWEEN 1 AND 100 THEN 'has not between 1 and 100 elements'
    END;
    v_seats bigint := 0;
BEGIN
    IF v_wrong IS NOT NULL THEN
        PERFORM oeventdb_internal.refuse_argument('lines', v_wrong);
    END IF;

    FOR v_place IN 1 .. pg_catalog.jsonb_array_length(read_order_lines.lines) LOOP
        v_line := read_order_lines.lines -> (v_place - 1);
        v_wrong := oeventdb_internal.order_line_fault(v_line);
        IF v_wrong IS NOT NULL THEN
            PERFORM oeventdb_internal.refuse_argument('lines', pg_catalog.format('line %s: %s', v_place, v_wrong));
        END IF;
        v_lines := v_lines || ROW(
            (v_line -> 'ticket_id')::bigint, (v_line -> 'quantity')::integer, pg_catalog.trim_scale((v_line -> 'price')::numeric),
            v_line -> 'holders', NULL, NULL, NULL, NULL, NULL
        )::oeventdb_internal.order_line;
        v_seats := v_seats + (v_line -> 'quantity')::integer;
    END LOOP;

    IF v_seats > 10000 THEN
        PERFORM oeventdb_internal.refuse_argument('lines', 'asks for more than 10000 seats');
    ELSIF pg_catalog.cardinality(v_lines) > 1 THEN
        -- everybody claims in this order, so orders can't wait for each other in a circle
        SELECT pg_catalog.array_agg(l ORDER BY l.ticket_id) INTO v_lines FROM pg_catalog.unnest(v_lines) AS l;
        FOR v_place IN 2 .. pg_catalog.cardinality(v_lines) LOOP
            IF v_lines[v_place].ticket_id = v_lines[v_place - 1].ticket_id THEN
                PERFORM oeventdb_internal.refuse_argument(
                    'lines', pg_catalog.format('names ticket %s twice', v_lines[v_place].ticket_id)
                );
            END IF;
        END LOOP;
    END IF;
    RETURN v_lines;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.read_order_lines(jsonb) IS
'The lines of an order by ticket. Raises OE400 (argument lines) for anything but 1 to 100 lines of different tickets with known keys and sane values.';

REVOKE ALL ON FUNCTION oeventdb_internal.read_order_lines(jsonb) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/currency_digits.sql
-- Money is rounded to the smallest coin: two decimals in most currencies, none or three in a few.
CREATE OR REPLACE FUNCTION oeventdb_internal.currency_digits(
    currency text
) RETURNS integer
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN CASE
        WHEN currency_digits.currency = ANY (ARRAY[
            'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'
        ]) THEN 0
        WHEN currency_digits.currency = ANY (ARRAY['BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND']) THEN 3
        ELSE 2
    END;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.currency_digits(text) IS
'Decimals of the minor unit of a currency (ISO 4217 code); 2 for one that is not known.';

REVOKE ALL ON FUNCTION oeventdb_internal.currency_digits(text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/refuse_access_code.sql
-- An access code that does not open what is asked is refused in one wording.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_access_code(
    reason text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE107',
        pg_catalog.format('the access code is %s', refuse_access_code.reason),
        pg_catalog.jsonb_build_object('reason', refuse_access_code.reason),
        'Ask the organizer for a code that is valid now, or order within its quantities.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_access_code(text) IS
'Raises OE107 (access_code_invalid) with the reason.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_access_code(text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/refuse_discount_code.sql
-- A discount code that does not apply is refused in one wording.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_discount_code(
    reason text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE202',
        pg_catalog.format('the discount code is %s', refuse_discount_code.reason),
        pg_catalog.jsonb_build_object('reason', refuse_discount_code.reason),
        'Order without the code, or with one that is valid now and covers a ticket of the order.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_discount_code(text) IS
'Raises OE202 (discount_code_invalid) with the reason.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_discount_code(text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/live_access_code.sql
-- A buyer names an access code by its text, in upper or lower case, within its event; of several an active one comes first, then the oldest.
-- SQL without SECURITY DEFINER and SET search_path, so that it is inlined. Every name in it is qualified.
CREATE OR REPLACE FUNCTION oeventdb_internal.live_access_code(
    event_id bigint,
    code text
) RETURNS SETOF public.access_codes
LANGUAGE sql
STABLE
ROWS 1
AS $function$
    SELECT c.* FROM public.access_codes AS c
    WHERE c.event_id = live_access_code.event_id
        AND pg_catalog.lower(pg_catalog.lower(c.code COLLATE "C") COLLATE "default")
            = pg_catalog.lower(pg_catalog.lower(live_access_code.code COLLATE "C") COLLATE "default")
        AND c.deleted_at IS NULL
    ORDER BY c.is_active IS NOT TRUE, c.id LIMIT 1
$function$;

COMMENT ON FUNCTION oeventdb_internal.live_access_code(bigint, text) IS
'The access code of the event that reads so and is not deleted, or no row. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.live_access_code(bigint, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/live_discount_code.sql
-- A buyer names a discount code by its text, in upper or lower case, within its event; of old duplicates the one that is none comes first.
-- SQL without SECURITY DEFINER and SET search_path, so that it is inlined. Every name in it is qualified.
CREATE OR REPLACE FUNCTION oeventdb_internal.live_discount_code(
    event_id bigint,
    code text
) RETURNS SETOF public.discount_codes
LANGUAGE sql
STABLE
ROWS 1
AS $function$
    SELECT c.* FROM public.discount_codes AS c
    WHERE c.event_id = live_discount_code.event_id
        AND pg_catalog.lower(pg_catalog.lower(c.code COLLATE "C") COLLATE "default")
            = pg_catalog.lower(pg_catalog.lower(live_discount_code.code COLLATE "C") COLLATE "default")
        AND c.deleted_at IS NULL
    ORDER BY c.is_duplicate, c.id LIMIT 1
$function$;

COMMENT ON FUNCTION oeventdb_internal.live_discount_code(bigint, text) IS
'The discount code of the event that reads so and is not deleted, or no row. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.live_discount_code(bigint, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/find_access_code.sql
-- An access code opens tickets only while it is active, within its dates.
CREATE OR REPLACE FUNCTION oeventdb_internal.find_access_code(
    event_id bigint,
    code text,
    event_ends_at timestamptz
) RETURNS public.access_codes
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.access_codes;
BEGIN
    -- the columns of the table, not of the function: a session keeps those in its plan, and once one is dropped they are out of step
    SELECT c.* INTO v_code FROM public.access_codes AS c
    WHERE c.id = (SELECT l.id FROM oeventdb_internal.live_access_code(find_access_code.event_id, find_access_code.code) AS l);
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_access_code('unknown');
    ELSIF v_code.is_active IS NOT TRUE THEN
        PERFORM oeventdb_internal.refuse_access_code('inactive');
    ELSIF pg_catalog.now() < v_code.valid_from
        OR pg_catalog.now() > COALESCE(v_code.valid_till, find_access_code.event_ends_at)
    THEN
        PERFORM oeventdb_internal.refuse_access_code('outside its dates');
    END IF;
    RETURN v_code;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.find_access_code(bigint, text, timestamptz) IS
'The live access code of the event that reads so, whatever its case. Raises OE107.';

REVOKE ALL ON FUNCTION oeventdb_internal.find_access_code(bigint, text, timestamptz) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/find_discount_code.sql
-- A discount code takes something off only while it is active, within its dates.
CREATE OR REPLACE FUNCTION oeventdb_internal.find_discount_code(
    event_id bigint,
    code text,
    event_ends_at timestamptz
) RETURNS public.discount_codes
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.discount_codes;
BEGIN
    -- the columns of the table, not of the function: a session keeps those in its plan, and once one is dropped they are out of step
    SELECT c.* INTO v_code FROM public.discount_codes AS c
    WHERE c.id = (SELECT l.id FROM oeventdb_internal.live_discount_code(find_discount_code.event_id, find_discount_code.code) AS l);
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_discount_code('unknown');
    ELSIF v_code.used_for <> 'ticket' THEN
        PERFORM oeventdb_internal.refuse_code_kind(v_code.id::bigint);
    ELSIF v_code.is_active IS NOT TRUE THEN
        PERFORM oeventdb_internal.refuse_discount_code('inactive');
    ELSIF v_code.value = 'NaN' THEN
        -- an old one; as NaN is greater than any number it would take the whole price off
        PERFORM oeventdb_internal.refuse_discount_code('without a value');
    ELSIF pg_catalog.now() < v_code.valid_from
        OR pg_catalog.now() > COALESCE(v_code.valid_till, find_discount_code.event_ends_at)
    THEN
        PERFORM oeventdb_internal.refuse_discount_code('outside its dates');
    END IF;
    RETURN v_code;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.find_discount_code(bigint, text, timestamptz) IS
'The live discount code of the event that reads so, whatever its case. Raises OE202, or OE201 for a code for whole events.';

REVOKE ALL ON FUNCTION oeventdb_internal.find_discount_code(bigint, text, timestamptz) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/refuse_sale.sql
-- What keeps a ticket from being sold is said with the figures that the buyer's side needs.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_sale(
    code text,
    line oeventdb_internal.order_line,
    event_id bigint
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_ticket public.tickets;
    v_id CONSTANT bigint := (refuse_sale.line).ticket_id;
BEGIN
    SELECT t.* INTO v_ticket FROM public.tickets AS t WHERE t.id = v_id;
    CASE refuse_sale.code
        WHEN 'OE105' THEN
            PERFORM oeventdb_internal.refuse_wrong_event('ticket', v_id, refuse_sale.event_id);
        WHEN 'OE102' THEN
            IF pg_catalog.now() >= v_ticket.sales_starts_at AND pg_catalog.now() < v_ticket.sales_ends_at THEN
                PERFORM oeventdb_internal.fail(
                    'OE102',
                    pg_catalog.format('ticket %s cannot be sold at a price of %s', v_id, v_ticket.price),
                    pg_catalog.jsonb_build_object('ticket_id', v_id, 'price', v_ticket.price::text),
                    'Give the ticket a price of 0 or more.'
                );
            END IF;
            PERFORM oeventdb_internal.fail(
                'OE102',
                pg_catalog.format('ticket %s is not on sale now', v_id),
                pg_catalog.jsonb_build_object(
                    'ticket_id', v_id, 'sales_starts_at', v_ticket.sales_starts_at, 'sales_ends_at', v_ticket.sales_ends_at
                ),
                'It is sold from sales_starts_at until just before sales_ends_at.'
            );
        WHEN 'OE103' THEN
            PERFORM oeventdb_internal.fail(
                'OE103',
                pg_catalog.format('%s seats of ticket %s are too few or too many for one order', (refuse_sale.line).quantity, v_id),
                pg_catalog.jsonb_build_object(
                    'ticket_id', v_id, 'quantity', (refuse_sale.line).quantity,
                    'min_order', v_ticket.min_order, 'max_order', v_ticket.max_order
                ),
                'Ask for min_order to max_order seats.'
            );
        WHEN 'OE106' THEN
            PERFORM oeventdb_internal.fail(
                'OE106',
                pg_catalog.format('ticket %s is sold with an access code only', v_id),
                pg_catalog.jsonb_build_object('ticket_id', v_id),
                'Give an access code that covers the ticket.'
            );
        WHEN 'OE400' THEN
            PERFORM oeventdb_internal.refuse_argument('lines', CASE
                WHEN v_ticket.type = 'donation' THEN pg_catalog.format('names no price for ticket %s, which is a donation', v_id)
                ELSE pg_catalog.format('names a price for ticket %s, which is no donation', v_id)
            END);
    END CASE;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_sale(text, oeventdb_internal.order_line, bigint) IS
'Raises the error of that code for a line that sell_ticket refuses: OE105, OE102, OE103, OE106, or OE400 for a price that is missing or not asked.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_sale(text, oeventdb_internal.order_line, bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/sell_ticket.sql
-- Whether a ticket can be sold now, in this number, to this buyer, and at what price.
CREATE OR REPLACE FUNCTION oeventdb_internal.sell_ticket(
    line oeventdb_internal.order_line,
    event_id bigint,
    digits integer,
    access_code_id bigint
) RETURNS oeventdb_internal.order_line
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_sale record;
    v_is_accessible boolean := false;
BEGIN
    IF sell_ticket.access_code_id IS NOT NULL THEN
        v_is_accessible := EXISTS (
            SELECT FROM public.access_codes_tickets AS a
            WHERE a.access_code_id = sell_ticket.access_code_id AND a.ticket_id = (sell_ticket.line).ticket_id
        );
    END IF;
    SELECT
        CASE
            WHEN t.event_id IS DISTINCT FROM sell_ticket.event_id THEN 'OE105'
            WHEN NOT (t.sales_starts_at <= pg_catalog.now() AND pg_catalog.now() < t.sales_ends_at) THEN 'OE102'
            -- old tickets may cost less than nothing, or NaN, which is greater than any number
            WHEN t.type NOT IN ('free', 'donation') AND NOT (t.price >= 0 AND t.price < 'Infinity') THEN 'OE102'
            WHEN (sell_ticket.line).quantity < t.min_order OR (sell_ticket.line).quantity > t.max_order THEN 'OE103'
            WHEN COALESCE(t.is_hidden, true) AND NOT v_is_accessible THEN 'OE106'
            WHEN (t.type = 'donation') = ((sell_ticket.line).price IS NULL) THEN 'OE400'
        END AS refusal,
        CASE t.type
            WHEN 'donation' THEN (sell_ticket.line).price
            WHEN 'free' THEN 0
            ELSE COALESCE(t.price, 0)::numeric
        END AS price,
        t.type, t.discount_code_id
    INTO v_sale
    FROM public.tickets AS t WHERE t.id = (sell_ticket.line).ticket_id AND t.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket', (sell_ticket.line).ticket_id);
    ELSIF v_sale.refusal IS NOT NULL THEN
        PERFORM oeventdb_internal.refuse_sale(v_sale.refusal, sell_ticket.line, sell_ticket.event_id);
    END IF;
    RETURN ROW(
        (sell_ticket.line).ticket_id, (sell_ticket.line).quantity, pg_catalog.round(v_sale.price, sell_ticket.digits),
        (sell_ticket.line).holders, v_sale.type, 0, v_sale.discount_code_id, v_is_accessible, NULL
    )::oeventdb_internal.order_line;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.sell_ticket(oeventdb_internal.order_line, bigint, integer, bigint) IS
'The line with its price per seat, before any discount. Raises OE404, OE105, OE102, OE103, OE106, or OE400 for a price that is missing or not asked.';

REVOKE ALL ON FUNCTION oeventdb_internal.sell_ticket(oeventdb_internal.order_line, bigint, integer, bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/seat_discount.sql
-- What a code takes off one seat: a percentage, or an amount up to the price; nothing off free and donation tickets.
CREATE OR REPLACE FUNCTION oeventdb_internal.seat_discount(
    ticket_type text,
    price numeric,
    discount_type text,
    value numeric,
    digits integer
) RETURNS numeric
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF seat_discount.ticket_type IN ('free', 'donation') THEN
        RETURN 0;
    ELSIF seat_discount.discount_type = 'percent' THEN
        -- the price that is left is rounded, half up, and an old code of 150 % takes no more than the price
        RETURN seat_discount.price - pg_catalog.round(
            seat_discount.price * (100 - LEAST(GREATEST(seat_discount.value, 0), 100)) / 100, seat_discount.digits
        );
    END IF;
    RETURN seat_discount.price - pg_catalog.round(
        seat_discount.price - LEAST(GREATEST(seat_discount.value, 0), seat_discount.price), seat_discount.digits
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.seat_discount(text, numeric, text, numeric, integer) IS
'The discount on one seat, in the currency of the price; digits are the decimals of its minor unit.';

REVOKE ALL ON FUNCTION oeventdb_internal.seat_discount(text, numeric, text, numeric, integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/require_discount_use.sql
-- A discount code is used for as many covered seats as it allows, and has uses left.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_discount_use(
    discount_code public.discount_codes,
    seats integer
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_discount_use.seats IS NULL THEN
        PERFORM oeventdb_internal.refuse_discount_code('for none of these tickets');
    ELSIF require_discount_use.seats < (require_discount_use.discount_code).min_quantity
        -- in old databases 0 and negative mean no limit
        OR require_discount_use.seats > NULLIF(GREATEST((require_discount_use.discount_code).max_quantity, 0), 0)
    THEN
        PERFORM oeventdb_internal.fail(
            'OE204',
            pg_catalog.format('the discount code is not for %s seats', require_discount_use.seats),
            pg_catalog.jsonb_build_object(
                'quantity', require_discount_use.seats,
                'min_quantity', (require_discount_use.discount_code).min_quantity,
                'max_quantity', (require_discount_use.discount_code).max_quantity
            ),
            'Order min_quantity to max_quantity of the tickets that the code covers.'
        );
    ELSIF (require_discount_use.discount_code).used_number + require_discount_use.seats
        > (require_discount_use.discount_code).tickets_number
    THEN
        PERFORM oeventdb_internal.fail(
            'OE203',
            'the discount code has not enough uses left',
            pg_catalog.jsonb_build_object(
                'discount_code_id', (require_discount_use.discount_code).id,
                'requested', require_discount_use.seats,
                'remaining',
                (require_discount_use.discount_code).tickets_number - (require_discount_use.discount_code).used_number
            ),
            'Order at most the remaining number of covered seats, or without the code.'
        );
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_discount_use(public.discount_codes, integer) IS
'Raises OE202 for a code that covers none of the seats, OE204 outside its quantities, OE203 with too few uses left.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_discount_use(public.discount_codes, integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/require_access_use.sql
-- An access code is used for as many covered seats as it allows, and has uses left.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_access_use(
    access_code public.access_codes,
    seats integer
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_access_use.seats = 0 THEN
        PERFORM oeventdb_internal.refuse_access_code('for none of these tickets');
    ELSIF require_access_use.seats < (require_access_use.access_code).min_quantity
        -- in old databases 0 and negative mean no limit
        OR require_access_use.seats > NULLIF(GREATEST((require_access_use.access_code).max_quantity, 0), 0)
    THEN
        PERFORM oeventdb_internal.refuse_access_code(pg_catalog.format('not for %s seats', require_access_use.seats));
    ELSIF (require_access_use.access_code).used_number + require_access_use.seats
        > (require_access_use.access_code).tickets_number
    THEN
        PERFORM oeventdb_internal.refuse_access_code('used up');
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_access_use(public.access_codes, integer) IS
'Raises OE107 outside the code''s quantities, with too few uses left, or when it covers none of the seats.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_access_use(public.access_codes, integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/price_order.sql
-- What an order costs, seat by seat, under the rules of sale as they are now; quote_order and place_order both ask here.
CREATE OR REPLACE FUNCTION oeventdb_internal.price_order(
    event_id bigint,
    lines jsonb,
    discount_code text,
    access_code text,
    is_placed boolean DEFAULT false
) RETURNS oeventdb_internal.priced_order
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_order oeventdb_internal.priced_order;
    v_event record;
    v_digits integer;
    v_lines oeventdb_internal.order_line[];
    v_line oeventdb_internal.order_line;
    v_access public.access_codes;
    v_discount public.discount_codes;
BEGIN
    IF price_order.event_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('event_id', 'is NULL');
    END IF;
    v_lines := oeventdb_internal.read_order_lines(price_order.lines);

    SELECT e.state, e.ends_at, COALESCE(NULLIF(e.payment_currency, ''), 'USD') AS currency INTO v_event
    FROM public.events AS e WHERE e.id = price_order.event_id AND e.deleted_at IS NULL;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('event', price_order.event_id);
    ELSIF v_event.state IS DISTINCT FROM 'published' THEN
        PERFORM oeventdb_internal.fail(
            'OE102',
            pg_catalog.format('event %s is not published', price_order.event_id),
            pg_catalog.jsonb_build_object('event_id', price_order.event_id, 'state', v_event.state),
            'Publish the event before selling its tickets.'
        );
    END IF;
    v_order.currency := v_event.currency;
    v_digits := oeventdb_internal.currency_digits(v_event.currency);

    IF price_order.access_code IS NOT NULL THEN
        PERFORM oeventdb_internal.require_text('access_code', price_order.access_code);
        v_access := oeventdb_internal.find_access_code(price_order.event_id, price_order.access_code, v_event.ends_at);
    END IF;
    IF price_order.discount_code IS NOT NULL THEN
        PERFORM oeventdb_internal.require_text('discount_code', price_order.discount_code);
        v_discount := oeventdb_internal.find_discount_code(price_order.event_id, price_order.discount_code, v_event.ends_at);
    END IF;

    v_order.amount := 0;
    v_order.seats := 0;
    FOR v_place IN 1 .. pg_catalog.cardinality(v_lines) LOOP
        v_line := oeventdb_internal.sell_ticket(v_lines[v_place], price_order.event_id, v_digits, v_access.id);
        IF v_line.discount_code_id = v_discount.id THEN
            v_line.discount := oeventdb_internal.seat_discount(
                v_line.type, v_line.price, v_discount.type, v_discount.value::numeric, v_digits
            );
            v_order.discount_seats := COALESCE(v_order.discount_seats, 0) + v_line.quantity;
        END IF;
        IF v_line.is_accessible THEN
            v_order.access_seats := COALESCE(v_order.access_seats, 0) + v_line.quantity;
        END IF;
        v_order.amount := v_order.amount + v_line.quantity * (v_line.price - v_line.discount);
        v_order.seats := v_order.seats + v_line.quantity;
        v_lines[v_place] := v_line;
    END LOOP;
    IF v_order.amount > 1.7976931348623157e308 THEN
        -- more than a float8 keeps
        PERFORM oeventdb_internal.refuse_argument('lines', 'cost more than an order can');
    END IF;
    v_order.lines := v_lines;
    IF price_order.is_placed THEN
        -- its own uses are taken
        RETURN v_order;
    END IF;

    IF v_discount.id IS NOT NULL THEN
        v_order.discount_code_id := v_discount.id;
        PERFORM oeventdb_internal.require_discount_use(v_discount, v_order.discount_seats);
    END IF;
    IF v_access.id IS NOT NULL THEN
        v_order.access_code_id := v_access.id;
        PERFORM oeventdb_internal.require_access_use(v_access, COALESCE(v_order.access_seats, 0));
    END IF;
    RETURN v_order;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.price_order(bigint, jsonb, text, text, boolean) IS
'The lines with prices and discounts per seat, the sum and the currency. Raises what place_order raises, but for sold out;
for an order that is placed, not what comes of the uses of its codes.';

REVOKE ALL ON FUNCTION oeventdb_internal.price_order(bigint, jsonb, text, text, boolean) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/lock_discount_code.sql
-- A limited code is locked by whoever is about to change its uses; a code without limit is only kept from getting one meanwhile.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_discount_code(
    discount_code_id bigint
) RETURNS public.discount_codes
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.discount_codes;
BEGIN
    LOOP
        -- uses that are being given back are waited for, and are there when it is locked
        SELECT c.* INTO v_code FROM public.discount_codes AS c
        WHERE c.id = lock_discount_code.discount_code_id AND c.tickets_number IS NOT NULL FOR NO KEY UPDATE;
        IF FOUND THEN
            RETURN v_code;
        END IF;
        -- the lock is undone where it had to be waited for and there is a limit now: two who both kept it could not both write the row
        BEGIN
            PERFORM FROM public.discount_codes AS c
            WHERE c.id = lock_discount_code.discount_code_id AND c.tickets_number IS NULL FOR SHARE;
            IF FOUND THEN
                RETURN NULL;
            END IF;
            RAISE EXCEPTION USING ERRCODE = 'OE001';
        EXCEPTION WHEN SQLSTATE 'OE001' THEN
            NULL;
        END;
        EXIT WHEN NOT EXISTS (SELECT FROM public.discount_codes AS c WHERE c.id = lock_discount_code.discount_code_id);
    END LOOP;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.lock_discount_code(bigint) IS
'Locks the code and returns it if its uses are counted; NULL for one without limit, or that is gone. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_discount_code(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/use_discount_code.sql
-- The uses of a limited code are counted in its own row, under its lock; those of a code without limit are not.
CREATE OR REPLACE FUNCTION oeventdb_internal.use_discount_code(
    discount_code_id bigint,
    seats integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.discount_codes;
BEGIN
    LOOP
        UPDATE public.discount_codes AS c SET used_number = c.used_number + use_discount_code.seats
        WHERE c.id = use_discount_code.discount_code_id AND c.used_number + use_discount_code.seats <= c.tickets_number;
        EXIT WHEN FOUND;
        v_code := oeventdb_internal.lock_discount_code(use_discount_code.discount_code_id);
        EXIT WHEN v_code.id IS NULL;
        PERFORM oeventdb_internal.require_discount_use(v_code, use_discount_code.seats);
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.use_discount_code(bigint, integer) IS
'Takes seats uses of the code, or none and raises OE203, or OE204 outside its quantities.';

REVOKE ALL ON FUNCTION oeventdb_internal.use_discount_code(bigint, integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/lock_access_code.sql
-- A limited access code is locked as a discount code is.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_access_code(
    access_code_id bigint
) RETURNS public.access_codes
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.access_codes;
BEGIN
    LOOP
        -- uses that are being given back are waited for, and are there when it is locked
        SELECT c.* INTO v_code FROM public.access_codes AS c
        WHERE c.id = lock_access_code.access_code_id AND c.tickets_number IS NOT NULL FOR NO KEY UPDATE;
        IF FOUND THEN
            RETURN v_code;
        END IF;
        -- the lock is undone where it had to be waited for and there is a limit now: two who both kept it could not both write the row
        BEGIN
            PERFORM FROM public.access_codes AS c
            WHERE c.id = lock_access_code.access_code_id AND c.tickets_number IS NULL FOR SHARE;
            IF FOUND THEN
                RETURN NULL;
            END IF;
            RAISE EXCEPTION USING ERRCODE = 'OE001';
        EXCEPTION WHEN SQLSTATE 'OE001' THEN
            NULL;
        END;
        EXIT WHEN NOT EXISTS (SELECT FROM public.access_codes AS c WHERE c.id = lock_access_code.access_code_id);
    END LOOP;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.lock_access_code(bigint) IS
'Locks the code and returns it if its uses are counted; NULL for one without limit, or that is gone. Raises nothing.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_access_code(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/use_access_code.sql
-- The uses of a limited access code are counted in its own row, under its lock, as those of a discount code are.
CREATE OR REPLACE FUNCTION oeventdb_internal.use_access_code(
    access_code_id bigint,
    seats integer
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_code public.access_codes;
BEGIN
    LOOP
        UPDATE public.access_codes AS c SET used_number = c.used_number + use_access_code.seats
        WHERE c.id = use_access_code.access_code_id AND c.used_number + use_access_code.seats <= c.tickets_number;
        EXIT WHEN FOUND;
        v_code := oeventdb_internal.lock_access_code(use_access_code.access_code_id);
        EXIT WHEN v_code.id IS NULL;
        PERFORM oeventdb_internal.require_access_use(v_code, use_access_code.seats);
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.use_access_code(bigint, integer) IS
'Takes seats uses of the access code, or none and raises OE107.';

REVOKE ALL ON FUNCTION oeventdb_internal.use_access_code(bigint, integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/order_row.sql
-- What the API shows of an order, from the table's row.
-- SQL without SET search_path, so that it is inlined; it names nothing but its argument.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_row(
    placed public.orders
) RETURNS oeventdb."order"
LANGUAGE sql
STABLE
AS $function$
    SELECT ROW(
        placed.id, placed.identifier, placed.event_id, placed.status, placed.amount::numeric, placed.currency, placed.email,
        placed.discount_code_id, placed.access_code_id, placed.created_at, placed.expires_at, placed.completed_at,
        placed.transaction_id, placed.cancel_note
    )::oeventdb."order"
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_row(public.orders) IS
'The API''s row of an order.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_row(public.orders) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/require_buyer.sql
-- Who orders is reached by e-mail, and an order is held for a while, not for ever.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_buyer(
    email text,
    idempotency_key text,
    hold interval
) RETURNS void
LANGUAGE plpgsql
STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF require_buyer.email IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('email', 'is NULL');
    ELSIF pg_catalog.length(require_buyer.email) > 254 THEN
        PERFORM oeventdb_internal.refuse_argument('email', 'is longer than 254 characters');
    ELSIF require_buyer.email COLLATE "C" !~ '^[^@[:space:]]+@[^@[:space:]]+$' THEN
        PERFORM oeventdb_internal.refuse_argument('email', 'is no e-mail address');
    ELSIF require_buyer.hold IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('hold', 'is NULL');
    ELSIF NOT (EXTRACT(EPOCH FROM require_buyer.hold) > 0 AND EXTRACT(EPOCH FROM require_buyer.hold) <= 30 * 86400) THEN
        PERFORM oeventdb_internal.refuse_argument('hold', 'is not more than 0 and at most 30 days');
    ELSIF require_buyer.idempotency_key = '' THEN
        PERFORM oeventdb_internal.refuse_argument('idempotency_key', 'is empty');
    ELSIF pg_catalog.length(require_buyer.idempotency_key) > 255 THEN
        PERFORM oeventdb_internal.refuse_argument('idempotency_key', 'is longer than 255 characters');
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_buyer(text, text, interval) IS
'Raises OE400 for an e-mail address, an idempotency key or a hold that cannot be meant.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_buyer(text, text, interval) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/begin_request.sql
-- A request with a key is answered once: the second with the same key waits for the first, and gets its order.
CREATE OR REPLACE FUNCTION oeventdb_internal.begin_request(
    idempotency_key text,
    request jsonb
) RETURNS oeventdb."order"
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_digest bytea := pg_catalog.sha256(pg_catalog.convert_to(begin_request.request::text, 'UTF8'));
    v_earlier record;
BEGIN
    LOOP
        INSERT INTO oeventdb_internal.order_requests (idempotency_key, request_digest)
        VALUES (begin_request.idempotency_key, v_digest)
        ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN NULL;
        END IF;
        -- key and order in one statement, as they go together
        SELECT r.request_digest, r.order_id, oeventdb_internal.order_row(o.*) AS placed INTO v_earlier
        FROM oeventdb_internal.order_requests AS r
        LEFT JOIN public.orders AS o ON o.id = r.order_id
        WHERE r.idempotency_key = begin_request.idempotency_key COLLATE "default";
        -- gone again, with its order: then the key is new
        EXIT WHEN FOUND;
    END LOOP;
    IF v_earlier.request_digest <> v_digest THEN
        PERFORM oeventdb_internal.fail(
            'OE303',
            'the idempotency key was used for another request',
            pg_catalog.jsonb_build_object('idempotency_key', begin_request.idempotency_key, 'order_id', v_earlier.order_id),
            'Repeat the request exactly, or use a new key for a new one.'
        );
    ELSIF (v_earlier.placed).id IS NULL THEN
        PERFORM oeventdb_internal.refuse_unknown('order', v_earlier.order_id);
    END IF;
    RETURN v_earlier.placed;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.begin_request(text, jsonb) IS
'NULL for a key that is new; the order for the same request again. Raises OE303 for another request, OE404 for an order that is not there.';

REVOKE ALL ON FUNCTION oeventdb_internal.begin_request(text, jsonb) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/claim_lines.sql
-- All seats of an order or none: its lines are claimed one after the other, in the order of the tickets.
CREATE OR REPLACE FUNCTION oeventdb_internal.claim_lines(
    lines oeventdb_internal.order_line[],
    event_id bigint
) RETURNS oeventdb_internal.order_line[]
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_lines oeventdb_internal.order_line[] := claim_lines.lines;
    v_claimed integer[];
BEGIN
    FOR v_place IN 1 .. pg_catalog.cardinality(v_lines) LOOP
        v_claimed := oeventdb_internal.claim_admissions(
            v_lines[v_place].ticket_id, claim_lines.event_id, v_lines[v_place].quantity
        );
        IF v_claimed IS NULL THEN
            PERFORM oeventdb_internal.refuse_sold_out(v_lines[v_place].ticket_id, v_lines[v_place].quantity);
        END IF;
        v_lines[v_place].admissions := v_claimed;
    END LOOP;
    RETURN v_lines;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.claim_lines(oeventdb_internal.order_line[], bigint) IS
'The lines with the numbers of their admissions. Raises OE101 when a line can''t have all of its.';

REVOKE ALL ON FUNCTION oeventdb_internal.claim_lines(oeventdb_internal.order_line[], bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/quote_order.sql
-- What place_order would charge, line by line; it refuses what place_order would refuse, and changes nothing.
CREATE OR REPLACE FUNCTION oeventdb.quote_order(
    event_id bigint,
    lines jsonb,
    discount_code text DEFAULT NULL,
    access_code text DEFAULT NULL
) RETURNS TABLE (ticket_id bigint, quantity integer, price numeric, discount numeric, amount numeric, currency text)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_order oeventdb_internal.priced_order;
BEGIN
    v_order := oeventdb_internal.price_order(
        quote_order.event_id, quote_order.lines, quote_order.discount_code, quote_order.access_code
    );
    PERFORM oeventdb_internal.refuse_sold_out(l.ticket_id, l.quantity)
    FROM pg_catalog.unnest(v_order.lines) AS l
    WHERE oeventdb_internal.count_free_admissions(l.ticket_id) < l.quantity;

    RETURN QUERY
    SELECT l.ticket_id, l.quantity, l.price, l.discount, l.quantity * (l.price - l.discount), v_order.currency
    FROM pg_catalog.unnest(v_order.lines) AS l;
END
$function$;

COMMENT ON FUNCTION oeventdb.quote_order(bigint, jsonb, text, text) IS
'A row for each line of an order that place_order would take, by ticket_id: price and discount per seat, amount of the line, in the event''s
currency. lines as for place_order. Errors: those of place_order, also OE101 for a ticket that has too few admissions free at this moment.';

REVOKE ALL ON FUNCTION oeventdb.quote_order(bigint, jsonb, text, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/lock_codes.sql
-- A buyer locks the codes that the texts mean when the lock is had: others may mean them by then than when the wait began.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_codes(
    event_id bigint,
    lines jsonb,
    discount_code text,
    access_code text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_id bigint;
    v_locked bigint;
BEGIN
    -- before its codes, which go with it
    PERFORM FROM public.events AS e WHERE e.id = lock_codes.event_id FOR KEY SHARE;
    WHILE lock_codes.discount_code IS NOT NULL LOOP
        SELECT c.id INTO v_id FROM oeventdb_internal.live_discount_code(lock_codes.event_id, lock_codes.discount_code) AS c;
        IF v_id IS NULL THEN
            -- refuses the order; going on without the lock, it could find a code that is made while the access code is waited for
            PERFORM oeventdb_internal.price_order(
                lock_codes.event_id, lock_codes.lines, lock_codes.discount_code, lock_codes.access_code
            );
        END IF;
        EXIT WHEN v_id = v_locked;
        PERFORM oeventdb_internal.lock_discount_code(v_id);
        v_locked := v_id;
    END LOOP;
    v_locked := NULL;
    WHILE lock_codes.access_code IS NOT NULL LOOP
        SELECT c.id INTO v_id FROM oeventdb_internal.live_access_code(lock_codes.event_id, lock_codes.access_code) AS c;
        IF v_id IS NULL THEN
            PERFORM oeventdb_internal.price_order(
                lock_codes.event_id, lock_codes.lines, lock_codes.discount_code, lock_codes.access_code
            );
        END IF;
        EXIT WHEN v_id = v_locked;
        PERFORM oeventdb_internal.lock_access_code(v_id);
        v_locked := v_id;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.lock_codes(bigint, jsonb, text, text) IS
'Locks the event and the codes of an order, the discount code first, as everybody does. Raises what price_order raises where a text means no code.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_codes(bigint, jsonb, text, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/place_order.sql
-- An order is sold whole or not at all, under the rules of sale, and held until it is paid or expires; a free one is complete at once.
CREATE OR REPLACE FUNCTION oeventdb.place_order(
    event_id bigint,
    lines jsonb,
    email text,
    discount_code text DEFAULT NULL,
    access_code text DEFAULT NULL,
    idempotency_key text DEFAULT NULL,
    hold interval DEFAULT '15 minutes'
) RETURNS SETOF oeventdb."order"
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- its statements take the same way whatever the arguments; planning them at each call would cost more than running them
SET plan_cache_mode = 'force_generic_plan'
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_priced oeventdb_internal.priced_order;
    v_order oeventdb."order";
    v_request jsonb;
BEGIN
    PERFORM oeventdb_internal.require_buyer(place_order.email, place_order.idempotency_key, place_order.hold);
    IF place_order.idempotency_key IS NOT NULL THEN
        -- the lines as they are read: a quantity of 1.0 is one of 1
        v_request := pg_catalog.jsonb_build_array(
            place_order.event_id, oeventdb_internal.read_order_lines(place_order.lines), place_order.email,
            place_order.discount_code, place_order.access_code, EXTRACT(EPOCH FROM place_order.hold)
        );
        v_order := oeventdb_internal.begin_request(place_order.idempotency_key, v_request);
        IF v_order.id IS NOT NULL THEN
            RETURN NEXT v_order;
            RETURN;
        END IF;
    END IF;

    -- everybody locks in this order: discount code, access code, tickets by id; the uses are counted by the trigger of orders
    IF place_order.discount_code IS NOT NULL OR place_order.access_code IS NOT NULL THEN
        PERFORM oeventdb_internal.lock_codes(
            place_order.event_id, place_order.lines, place_order.discount_code, place_order.access_code
        );
    END IF;
    -- under the locks: while they were waited for, a code may have been used, given back, changed or deleted
    v_priced := oeventdb_internal.price_order(
        place_order.event_id, place_order.lines, place_order.discount_code, place_order.access_code
    );
    -- a single seat is claimed by the trigger of ticket_holders; several only here, where no part of them is held while waiting for the rest
    IF v_priced.seats > 1 THEN
        v_priced.lines := oeventdb_internal.claim_lines(v_priced.lines, place_order.event_id);
    END IF;

    -- in one statement, as each costs about as much again as the rows that it writes
    WITH placed AS (
        INSERT INTO public.orders AS o (
            identifier, event_id, email, amount, currency, status, created_at, completed_at, expires_at, payment_mode,
            discount_code_id, discount_seats, access_code_id, access_seats
        ) VALUES (
            pg_catalog.gen_random_uuid()::text, place_order.event_id, place_order.email,
            v_priced.amount::double precision, v_priced.currency,
            CASE WHEN v_priced.amount = 0 THEN 'completed' ELSE 'pending' END, pg_catalog.now(),
            CASE WHEN v_priced.amount = 0 THEN pg_catalog.now() END,
            -- in seconds, as it was compared: some months have more than 30 days, some days more than 24 hours
            CASE WHEN v_priced.amount > 0 THEN pg_catalog.now() + pg_catalog.make_interval(secs => EXTRACT(EPOCH FROM place_order.hold)) END,
            CASE WHEN v_priced.amount = 0 THEN 'free' END,
            v_priced.discount_code_id, v_priced.discount_seats, v_priced.access_code_id, v_priced.access_seats
        ) RETURNING (oeventdb_internal.order_row(o.*)).*
    ), sold AS (
        INSERT INTO public.orders_tickets (order_id, ticket_id, quantity, price, discount)
        SELECT p.id, l.ticket_id, l.quantity, l.price, l.discount
        FROM placed AS p CROSS JOIN pg_catalog.unnest(v_priced.lines) AS l
    ), admitted AS (
        INSERT INTO public.ticket_holders (order_id, event_id, ticket_id, admission_no, firstname, lastname, email, is_checked_in)
        SELECT
            p.id, place_order.event_id, l.ticket_id, l.admissions[s.seat],
            COALESCE(l.holders -> (s.seat - 1) ->> 'firstname', ''),
            COALESCE(l.holders -> (s.seat - 1) ->> 'lastname', ''),
            COALESCE(l.holders -> (s.seat - 1) ->> 'email', place_order.email), false
        FROM placed AS p
        CROSS JOIN pg_catalog.unnest(v_priced.lines) AS l
        CROSS JOIN LATERAL pg_catalog.generate_series(1, l.quantity) AS s (seat)
    )
    SELECT p.* INTO v_order FROM placed AS p;
    IF pg_catalog.current_setting('oeventdb.has_waited', true) = 'on' THEN
        -- seats may have come free because the event or the ticket is sold no more
        PERFORM oeventdb_internal.price_order(
            place_order.event_id, place_order.lines, place_order.discount_code, place_order.access_code, true
        );
    END IF;

    IF place_order.idempotency_key IS NOT NULL THEN
        -- by the collation that the caller's text may have it could be other keys as well
        UPDATE oeventdb_internal.order_requests AS r SET order_id = v_order.id
        WHERE r.idempotency_key = place_order.idempotency_key COLLATE "default";
    END IF;
    RETURN NEXT v_order;
END
$function$;

COMMENT ON FUNCTION oeventdb.place_order(bigint, jsonb, text, text, text, text, interval) IS
'Sells seats of one event and returns the order: pending and held for hold (at most 30 days; a month of it has 30), or completed if nothing is to pay.
lines is [{"ticket_id": 1, "quantity": 2, "price": 5.00, "holders": [{"firstname", "lastname", "email"}]}], 1 to 100 tickets and at most 10000 seats;
price only for a donation, holders optional. Each seat becomes a ticket holder; amount is in the event''s currency (payment_currency, else USD).
The same idempotency_key with the same request returns the order that it made, and sells nothing again.
Errors: OE400 an argument is NULL or cannot be meant; OE404 no such event or ticket; OE101 sold out; OE102 not on sale; OE103 outside min_order or
max_order; OE105 ticket of another event; OE106, OE107 access code needed or invalid; OE201 to OE204 discount code of the wrong kind, invalid, used
up, or not for so many seats; OE303 key used for another request.';

REVOKE ALL ON FUNCTION oeventdb.place_order(bigint, jsonb, text, text, text, text, interval) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/lock_order.sql
-- An order is looked at under its lock: of two who change its state the second sees what the first did.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_order(
    order_identifier text
) RETURNS public.orders
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_order public.orders;
BEGIN
    PERFORM oeventdb_internal.require_text('order_identifier', lock_order.order_identifier);
    SELECT o.* INTO v_order FROM public.orders AS o WHERE o.identifier = lock_order.order_identifier FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('order', lock_order.order_identifier);
    END IF;
    RETURN v_order;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.lock_order(text) IS
'The order, locked. Raises OE400 for NULL or blank, OE404 for an unknown order.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_order(text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/refuse_order_state.sql
-- What an order's state does not allow is refused in one wording.
CREATE OR REPLACE FUNCTION oeventdb_internal.refuse_order_state(
    order_identifier text,
    status text
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM oeventdb_internal.fail(
        'OE301',
        pg_catalog.format('not possible: order %s is %s', refuse_order_state.order_identifier, refuse_order_state.status),
        pg_catalog.jsonb_build_object('order', refuse_order_state.order_identifier, 'status', refuse_order_state.status),
        'An order is pending, then completed, cancelled or expired; only an expired one can still be completed. '
        'Seats of a completed order are freed with remove_ticket_holder.'
    );
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.refuse_order_state(text, text) IS
'Raises OE301 (order_state) with the order and its status.';

REVOKE ALL ON FUNCTION oeventdb_internal.refuse_order_state(text, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/complete_order.sql
-- A paid order is complete; one that has expired meanwhile too, if its admissions can still be had.
CREATE OR REPLACE FUNCTION oeventdb.complete_order(
    order_identifier text,
    payment_reference text DEFAULT NULL
) RETURNS SETOF oeventdb."order"
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_order public.orders := oeventdb_internal.lock_order(complete_order.order_identifier);
BEGIN
    IF v_order.status IN ('completed', 'cancelled', 'deleted') THEN
        PERFORM oeventdb_internal.refuse_order_state(complete_order.order_identifier, v_order.status);
    END IF;

    IF v_order.status = 'expired' THEN
        -- the holders of an order that expired may have been deleted since: whoever pays gets as many seats as were sold, or is refused
        INSERT INTO public.ticket_holders (order_id, ticket_id, firstname, lastname, email, is_checked_in)
        SELECT v_order.id, l.ticket_id, '', '', v_order.email, false
        FROM public.orders_tickets AS l
        CROSS JOIN LATERAL pg_catalog.generate_series(1, l.quantity - (
            SELECT pg_catalog.count(*) FROM public.ticket_holders AS h WHERE h.order_id = v_order.id AND h.ticket_id = l.ticket_id
        ))
        WHERE l.order_id = v_order.id AND l.price IS NOT NULL
        ORDER BY l.ticket_id
        -- not for seats that were given another ticket
        LIMIT GREATEST(
            (SELECT pg_catalog.sum(l.quantity) FROM public.orders_tickets AS l WHERE l.order_id = v_order.id AND l.price IS NOT NULL)
            - (SELECT pg_catalog.count(*) FROM public.ticket_holders AS h WHERE h.order_id = v_order.id), 0
        );
    END IF;

    BEGIN
        UPDATE public.orders AS o SET
            status = 'completed', completed_at = pg_catalog.now(),
            transaction_id = COALESCE(complete_order.payment_reference, o.transaction_id)
        WHERE o.id = v_order.id
        RETURNING o.* INTO v_order;
    EXCEPTION WHEN SQLSTATE 'OE101' OR SQLSTATE 'OE107' OR SQLSTATE 'OE203' OR SQLSTATE 'OE204' THEN
        PERFORM oeventdb_internal.fail(
            'OE302',
            pg_catalog.format('order %s expired, and what it held is sold', complete_order.order_identifier),
            pg_catalog.jsonb_build_object(
                'order', complete_order.order_identifier, 'expires_at', v_order.expires_at, 'refused', SQLSTATE
            ),
            'Give the payment back, or place a new order for what is left.'
        );
    END;
    RETURN QUERY SELECT (oeventdb_internal.order_row(v_order)).*;
END
$function$;

COMMENT ON FUNCTION oeventdb.complete_order(text, text) IS
'Marks an order as paid and returns it; payment_reference is kept with it. An expired order gets its admissions and code uses again, if they are
still to be had. Errors: OE404 no such order; OE400 order_identifier NULL or blank; OE301 completed, cancelled or deleted before; OE302 expired and
what it held is sold.';

REVOKE ALL ON FUNCTION oeventdb.complete_order(text, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/cancel_order.sql
-- A cancelled order gives everything back at once: its admissions, and the uses of its codes.
CREATE OR REPLACE FUNCTION oeventdb.cancel_order(
    order_identifier text,
    note text DEFAULT NULL
) RETURNS SETOF oeventdb."order"
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_order public.orders := oeventdb_internal.lock_order(cancel_order.order_identifier);
BEGIN
    IF v_order.status IN ('completed', 'cancelled', 'expired', 'deleted') THEN
        PERFORM oeventdb_internal.refuse_order_state(cancel_order.order_identifier, v_order.status);
    END IF;

    UPDATE public.orders AS o SET status = 'cancelled', cancel_note = COALESCE(cancel_order.note, o.cancel_note)
    WHERE o.id = v_order.id
    RETURNING o.* INTO v_order;
    RETURN QUERY SELECT (oeventdb_internal.order_row(v_order)).*;
END
$function$;

COMMENT ON FUNCTION oeventdb.cancel_order(text, text) IS
'Cancels an order that is not yet complete and returns it; note says why. Its seats can be sold again as soon as the transaction commits.
Errors: OE404 no such order; OE400 order_identifier NULL or blank; OE301 completed, cancelled, expired or deleted before.';

REVOKE ALL ON FUNCTION oeventdb.cancel_order(text, text) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/announce_release.sql
-- Who is about to give back admissions of several tickets says so for all of them first, in the order of the tickets.
CREATE OR REPLACE FUNCTION oeventdb_internal.announce_release(
    order_ids bigint[]
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_ticket_id bigint;
BEGIN
    FOR v_ticket_id IN
        SELECT DISTINCT h.ticket_id FROM public.ticket_holders AS h
        WHERE h.order_id = ANY (announce_release.order_ids) AND h.admission_no IS NOT NULL
        ORDER BY h.ticket_id
    LOOP
        PERFORM pg_catalog.pg_advisory_xact_lock_shared(oeventdb_internal.release_lock(v_ticket_id));
    END LOOP;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.announce_release(bigint[]) IS
'Takes the release locks of the tickets of these orders, so that claims that find too little wait for what comes free.';

REVOKE ALL ON FUNCTION oeventdb_internal.announce_release(bigint[]) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/expire_orders.sql
-- Orders that were not paid in time give everything back; many workers may do this at once.
CREATE OR REPLACE FUNCTION oeventdb.expire_orders(
    batch integer DEFAULT 1000
) RETURNS integer
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_ids bigint[];
BEGIN
    IF expire_orders.batch IS NULL OR expire_orders.batch < 1 THEN
        PERFORM oeventdb_internal.refuse_argument('batch', 'is no number of orders');
    END IF;
    SELECT pg_catalog.array_agg(s.id) INTO v_ids FROM (
        SELECT o.id FROM public.orders AS o
        WHERE o.status = 'pending' AND o.expires_at < pg_catalog.clock_timestamp()
        ORDER BY o.expires_at LIMIT expire_orders.batch
        FOR UPDATE SKIP LOCKED
    ) AS s;

    -- what all of them give back is locked first, in the order in which everybody locks: one after the other could make a deadlock
    PERFORM FROM public.discount_codes AS c
    WHERE c.id IN (SELECT o.discount_code_id FROM public.orders AS o WHERE o.id = ANY (v_ids))
    ORDER BY c.id FOR NO KEY UPDATE;
    PERFORM FROM public.access_codes AS c
    WHERE c.id IN (SELECT o.access_code_id FROM public.orders AS o WHERE o.id = ANY (v_ids))
    ORDER BY c.id FOR NO KEY UPDATE;
    PERFORM FROM public.ticket_holders AS h
    WHERE h.order_id = ANY (v_ids) AND h.admission_no IS NOT NULL
    ORDER BY h.id FOR NO KEY UPDATE;
    PERFORM oeventdb_internal.announce_release(v_ids);

    UPDATE public.orders AS o SET status = 'expired' WHERE o.id = ANY (v_ids);
    RETURN COALESCE(pg_catalog.cardinality(v_ids), 0);
END
$function$;

COMMENT ON FUNCTION oeventdb.expire_orders(integer) IS
'Expires at most batch pending orders whose expires_at has passed and returns how many: call it again until it is 0. Orders that another worker is
expiring are skipped. Errors: OE400 batch NULL or less than 1.';

REVOKE ALL ON FUNCTION oeventdb.expire_orders(integer) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/require_order_lines.sql
-- The lines of an order are for tickets of its event, and add up to its amount if it was sold by place_order.
CREATE OR REPLACE FUNCTION oeventdb_internal.require_order_lines(
    order_id bigint,
    is_deletion boolean
) RETURNS void
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = 'force_generic_plan'
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_found record;
    v_is_written boolean := false;
BEGIN
    LOOP
        SELECT
            o.event_id, s.other_ticket_id, o.currency IS NOT NULL AND o.amount IS DISTINCT FROM s.amount AS is_unequal,
            o.xmin <> pg_catalog.pg_current_xact_id()::xid AS is_older
        INTO v_found
        FROM public.orders AS o
        CROSS JOIN LATERAL (
            SELECT
                pg_catalog.min(l.ticket_id) FILTER (WHERE t.event_id <> o.event_id) AS other_ticket_id,
                COALESCE(pg_catalog.sum(l.quantity * (l.price - l.discount)), 0)::double precision AS amount
            FROM public.orders_tickets AS l
            LEFT JOIN public.tickets AS t ON t.id = l.ticket_id
            WHERE l.order_id = o.id
        ) AS s
        -- not there when the order is what is being deleted
        WHERE o.id = require_order_lines.order_id;
        EXIT WHEN v_is_written OR v_found.is_older IS NOT TRUE;
        -- written, not only locked: who moves this order to another event must see the lines, or fail. Not what this transaction has written, as
        -- place_order has; an UPDATE of nothing would cost it more than the look
        UPDATE public.orders AS o SET status = o.status WHERE o.id = require_order_lines.order_id;
        v_is_written := true;
    END LOOP;
    IF v_found.other_ticket_id IS NOT NULL AND NOT require_order_lines.is_deletion THEN
        PERFORM oeventdb_internal.refuse_wrong_event('ticket', v_found.other_ticket_id::bigint, v_found.event_id::bigint);
    ELSIF v_found.is_unequal THEN
        PERFORM oeventdb_internal.refuse_argument('amount', 'is not the sum of the order''s lines');
    END IF;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.require_order_lines(bigint, boolean) IS
'Raises OE105 for an order with a ticket of another event, unless lines are being deleted; OE400 for an amount that is not the sum of the lines,
where the order has a currency.';

REVOKE ALL ON FUNCTION oeventdb_internal.require_order_lines(bigint, boolean) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/order_lines.sql
-- Whoever writes or deletes a line, or truncates them all: the order stays one of one event, and its amount the sum of its lines.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_lines() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM oeventdb_internal.require_read_committed('orders_tickets is truncated', 'DELETE');
        PERFORM oeventdb_internal.require_order_lines(
            (SELECT o.id FROM public.orders AS o WHERE o.currency IS NOT NULL AND o.amount <> 0 LIMIT 1), true
        );
        RETURN NULL;
    END IF;
    -- the one with the lower id first: two who exchange lines between two orders would wait for each other
    PERFORM oeventdb_internal.require_order_lines(LEAST(NEW.order_id, OLD.order_id), TG_OP = 'DELETE');
    IF TG_OP = 'UPDATE' AND NEW.order_id <> OLD.order_id THEN
        PERFORM oeventdb_internal.require_order_lines(GREATEST(NEW.order_id, OLD.order_id), false);
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_lines() IS
'Trigger of public.orders_tickets, after a line is written or deleted, and after all are truncated (0A000 under REPEATABLE READ and
SERIALIZABLE). Raises OE105 and OE400 as require_order_lines does.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_lines() FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/order_amount.sql
-- Whoever writes what an order costs, or changes its event: it stays one of one event, and its amount the sum of its lines.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_amount() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
DECLARE
    v_holder_id bigint;
BEGIN
    IF TG_OP = 'INSERT' AND EXISTS (SELECT FROM public.orders_tickets AS l WHERE l.order_id = NEW.id) THEN
        -- written in the same statement, as place_order does: their trigger adds them up
        RETURN NULL;
    END IF;
    IF OLD.currency IS NOT NULL AND NEW.currency IS NULL THEN
        -- then its amount would be nobody's concern
        PERFORM oeventdb_internal.refuse_argument('currency', 'is NULL, for an order that was sold in one');
    END IF;
    PERFORM oeventdb_internal.require_order_lines(NEW.id, false);
    IF TG_OP = 'UPDATE' AND NEW.event_id IS DISTINCT FROM OLD.event_id THEN
        SELECT h.id INTO v_holder_id FROM public.ticket_holders AS h
        WHERE h.order_id = NEW.id AND h.ticket_id IS NOT NULL AND h.event_id <> NEW.event_id LIMIT 1;
        IF FOUND THEN
            PERFORM oeventdb_internal.refuse_wrong_event('ticket_holder', v_holder_id, NEW.event_id::bigint);
        END IF;
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_amount() IS
'Trigger of public.orders, after one with a currency is inserted, and after amount, currency or event_id is changed.
Raises OE105 for an order with a holder of another event, OE400 for one that loses its currency, and both as require_order_lines does.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_amount() FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/ticket_lines.sql
-- A ticket that an order has a line for stays in the order's event.
CREATE OR REPLACE FUNCTION oeventdb_internal.ticket_lines() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
AS $function$
BEGIN
    IF EXISTS (
        SELECT FROM public.orders_tickets AS l
        INNER JOIN public.orders AS o ON o.id = l.order_id
        WHERE l.ticket_id = NEW.id AND o.event_id <> NEW.event_id
    ) THEN
        PERFORM oeventdb_internal.refuse_wrong_event('ticket', NEW.id::bigint, NEW.event_id::bigint);
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.ticket_lines() IS
'Trigger of public.tickets, after event_id is changed. Raises OE105 for a ticket with a line in an order of another event.';

REVOKE ALL ON FUNCTION oeventdb_internal.ticket_lines() FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/order_history.sql
-- Every state an order gets into is written down, with who brought it about; nothing of it is ever changed.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_history() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO oeventdb_internal.order_history (order_id, from_status, to_status, changed_by, application_user)
    VALUES (
        NEW.id,
        CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END,
        NEW.status,
        -- current_user is the owner in here; this is what it was outside
        COALESCE(NULLIF(pg_catalog.current_setting('role'), 'none'), session_user),
        NULLIF(pg_catalog.current_setting('oeventdb.user', true), '')
    );
    -- what a client has seen committed must outlive a crash, whatever the session has set
    IF pg_catalog.current_setting('synchronous_commit') = 'off' THEN
        PERFORM pg_catalog.set_config('synchronous_commit', 'local', true);
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_history() IS
'Trigger of public.orders: appends to oeventdb_internal.order_history when an order is made or its status changes;
with synchronous_commit off, local for this transaction.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_history() FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/order_history_kept.sql
-- The history of orders is appended to, never rewritten, not even by its owner.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_history_kept() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION 'the history of orders is append-only'
        USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Leave it as it is; add to it by changing the order.';
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_history_kept() IS
'Trigger of oeventdb_internal.order_history: refuses UPDATE, DELETE and TRUNCATE.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_history_kept() FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/order_code_uses.sql
-- Uses of codes are taken when an order is written, given back when it dies or is deleted, and needed again for it to live; another code is used instead.
CREATE OR REPLACE FUNCTION oeventdb_internal.order_code_uses() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_was_live boolean := TG_OP <> 'INSERT' AND oeventdb_internal.order_is_live(OLD.status);
    v_is_live boolean := TG_OP <> 'DELETE' AND oeventdb_internal.order_is_live(NEW.status);
    v_code_id bigint;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE public.discount_codes AS c SET used_number = 0 WHERE c.used_number > 0;
        UPDATE public.access_codes AS c SET used_number = 0 WHERE c.used_number > 0;
        RETURN NULL;
    END IF;
    IF v_was_live AND OLD.discount_seats > 0 AND NOT (
        v_is_live AND (NEW.discount_code_id, NEW.discount_seats) IS NOT DISTINCT FROM (OLD.discount_code_id, OLD.discount_seats)
    ) THEN
        -- none where there is no limit: nothing is counted, but who is giving the code one waits, and then does not count this order
        v_code_id := (oeventdb_internal.lock_discount_code(OLD.discount_code_id)).id;
        UPDATE public.discount_codes AS c SET used_number = c.used_number - OLD.discount_seats WHERE c.id = v_code_id;
    END IF;
    IF v_is_live AND NEW.discount_code_id IS NOT NULL AND NEW.discount_seats > 0 AND NOT (
        v_was_live AND (NEW.discount_code_id, NEW.discount_seats) IS NOT DISTINCT FROM (OLD.discount_code_id, OLD.discount_seats)
    ) THEN
        PERFORM oeventdb_internal.use_discount_code(NEW.discount_code_id, NEW.discount_seats);
    END IF;
    IF v_was_live AND OLD.access_seats > 0 AND NOT (
        v_is_live AND (NEW.access_code_id, NEW.access_seats) IS NOT DISTINCT FROM (OLD.access_code_id, OLD.access_seats)
    ) THEN
        v_code_id := (oeventdb_internal.lock_access_code(OLD.access_code_id)).id;
        UPDATE public.access_codes AS c SET used_number = c.used_number - OLD.access_seats WHERE c.id = v_code_id;
    END IF;
    IF v_is_live AND NEW.access_code_id IS NOT NULL AND NEW.access_seats > 0 AND NOT (
        v_was_live AND (NEW.access_code_id, NEW.access_seats) IS NOT DISTINCT FROM (OLD.access_code_id, OLD.access_seats)
    ) THEN
        PERFORM oeventdb_internal.use_access_code(NEW.access_code_id, NEW.access_seats);
    END IF;
    RETURN OLD;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.order_code_uses() IS
'Trigger of public.orders, after a row with seats of a code is inserted, after status changes between live and dead or a code or its seats change,
before a row is deleted, and after all are truncated; its name lets it come before order_liveness, so that everybody locks codes before tickets. Raises OE203 or OE107 when too few uses are left.';

REVOKE ALL ON FUNCTION oeventdb_internal.order_code_uses() FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/code_limit.sql
-- A code that gets a limit is told how often it is used by then; without limit nobody counts, so that nobody queues.
CREATE OR REPLACE FUNCTION oeventdb_internal.code_limit() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NEW.tickets_number IS NULL THEN
        NEW.used_number := 0;
        RETURN NEW;
    END IF;
    -- an older snapshot would not show the orders that were placed since
    PERFORM oeventdb_internal.require_read_committed('a code without a limit gets one');
    IF TG_TABLE_NAME = 'discount_codes' THEN
        SELECT COALESCE(pg_catalog.sum(o.discount_seats), 0) INTO NEW.used_number FROM public.orders AS o
        WHERE o.discount_code_id = NEW.id AND oeventdb_internal.order_is_live(o.status);
    ELSE
        SELECT COALESCE(pg_catalog.sum(o.access_seats), 0) INTO NEW.used_number FROM public.orders AS o
        WHERE o.access_code_id = NEW.id AND oeventdb_internal.order_is_live(o.status);
    END IF;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.code_limit() IS
'Trigger of public.discount_codes and public.access_codes, before tickets_number changes.';

REVOKE ALL ON FUNCTION oeventdb_internal.code_limit() FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/code_uses_kept.sql
-- The uses of a code are what its orders use: only their triggers write the number.
CREATE OR REPLACE FUNCTION oeventdb_internal.code_uses_kept() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    -- in a trigger of others the depth is theirs, but the user is not
    IF pg_catalog.pg_trigger_depth() > 1 AND current_user = (
        SELECT pg_catalog.pg_get_userbyid(p.proowner) FROM pg_catalog.pg_proc AS p
        INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = 'oeventdb_internal' AND p.proname = 'order_code_uses'
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'used_number of % is counted from the orders', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
              CONSTRAINT = TG_TABLE_NAME || '_used_number',
              HINT = 'Leave it out: an order whose seats use the code counts as soon as it is written.';
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.code_uses_kept() IS
'Trigger of public.discount_codes and public.access_codes: refuses to have used_number written by anybody but the triggers of orders.';

REVOKE ALL ON FUNCTION oeventdb_internal.code_uses_kept() FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/lock_ticket_holder.sql
-- A holder is looked at under its lock: of two doors that let the same one in, the second must see the first.
CREATE OR REPLACE FUNCTION oeventdb_internal.lock_ticket_holder(
    ticket_holder_id bigint
) RETURNS public.ticket_holders
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    v_holder public.ticket_holders;
BEGIN
    IF lock_ticket_holder.ticket_holder_id IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('ticket_holder_id', 'is NULL');
    END IF;
    SELECT h.* INTO v_holder FROM public.ticket_holders AS h
    WHERE h.id = lock_ticket_holder.ticket_holder_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM oeventdb_internal.refuse_unknown('ticket_holder', lock_ticket_holder.ticket_holder_id);
    END IF;
    RETURN v_holder;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.lock_ticket_holder(bigint) IS
'The holder, locked. Raises OE400 for NULL, OE404 for an unknown holder.';

REVOKE ALL ON FUNCTION oeventdb_internal.lock_ticket_holder(bigint) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/check_in_undone.sql
-- A holder who is not checked in has no time of check-in, whoever took it back.
CREATE OR REPLACE FUNCTION oeventdb_internal.check_in_undone() RETURNS trigger
LANGUAGE plpgsql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    NEW.checked_in_at := NULL;
    RETURN NEW;
END
$function$;

COMMENT ON FUNCTION oeventdb_internal.check_in_undone() IS
'Trigger of public.ticket_holders, before a row is written that is not checked in: clears checked_in_at.';

REVOKE ALL ON FUNCTION oeventdb_internal.check_in_undone() FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/check_in.sql
-- A holder is let in once; the second try is told when the first was.
CREATE OR REPLACE FUNCTION oeventdb.check_in(
    ticket_holder_id bigint,
    at timestamptz DEFAULT now()
) RETURNS SETOF oeventdb.ticket_holder
LANGUAGE plpgsql
VOLATILE
ROWS 1
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- a plan lasts as long as its session: one made before the first sale would read these tables from end to end ever after
SET enable_seqscan = off
-- checkin_times is a text
SET DateStyle = 'ISO, YMD'
AS $function$
DECLARE
    v_holder public.ticket_holders;
    v_order_id bigint;
    v_status text;
    v_identifier text;
BEGIN
    IF check_in.at IS NULL THEN
        PERFORM oeventdb_internal.refuse_argument('at', 'is NULL');
    ELSIF NOT pg_catalog.isfinite(check_in.at) THEN
        PERFORM oeventdb_internal.refuse_argument('at', 'is no time');
    END IF;
    LOOP
        -- undone where the holder went to another order meanwhile: kept, its lock would be held while that order is waited for
        BEGIN
            SELECT h.order_id INTO v_order_id FROM public.ticket_holders AS h WHERE h.id = check_in.ticket_holder_id;
            -- the order before the holder, as who cancels it locks them: the other way round the two could wait for each other
            SELECT o.status, o.identifier INTO v_status, v_identifier FROM public.orders AS o WHERE o.id = v_order_id FOR SHARE;
            v_holder := oeventdb_internal.lock_ticket_holder(check_in.ticket_holder_id);
            EXIT WHEN v_holder.order_id IS NOT DISTINCT FROM v_order_id;
            RAISE EXCEPTION USING ERRCODE = 'OE001';
        EXCEPTION WHEN SQLSTATE 'OE001' THEN
            NULL;
        END;
    END LOOP;
    IF v_holder.is_checked_in THEN
        PERFORM oeventdb_internal.fail(
            'OE401',
            pg_catalog.format('ticket holder %s is checked in already', v_holder.id),
            pg_catalog.jsonb_build_object('ticket_holder_id', v_holder.id, 'checked_in_at', COALESCE(
                pg_catalog.to_jsonb(v_holder.checked_in_at),
                -- who lets holders in by other means appends the time to a list
                pg_catalog.to_jsonb(NULLIF(pg_catalog.btrim(pg_catalog.substring(v_holder.checkin_times, '[^,]*$')), ''))
            )),
            'Look who came with this ticket before, or undo that check-in.'
        );
    END IF;
    IF NOT oeventdb_internal.order_is_live(v_status) THEN
        PERFORM oeventdb_internal.refuse_order_state(COALESCE(v_identifier, v_order_id::text), v_status);
    END IF;

    -- a crash must not let the holder in again, whatever the session has set
    IF pg_catalog.current_setting('synchronous_commit') = 'off' THEN
        PERFORM pg_catalog.set_config('synchronous_commit', 'local', true);
    END IF;
    RETURN QUERY
    UPDATE public.ticket_holders AS h SET
        is_checked_in = true, checked_in_at = check_in.at,
        checkin_times = pg_catalog.concat_ws(',', NULLIF(h.checkin_times, ''), check_in.at::text)
    WHERE h.id = v_holder.id
    RETURNING (oeventdb_internal.ticket_holder_row(h.*)).*;
END
$function$;

COMMENT ON FUNCTION oeventdb.check_in(bigint, timestamptz) IS
'Checks a holder in and returns it; the time is added to checkin_times. Errors: OE404 no such holder; OE400 an argument NULL, at
infinite; OE401 checked in before, DETAIL {"checked_in_at"}; OE301 the order is cancelled, expired or deleted.';

REVOKE ALL ON FUNCTION oeventdb.check_in(bigint, timestamptz) FROM PUBLIC;
-- <<<

-- >>> db/procedures/selling/undo_check_in.sql
-- A check-in can be undone, and the holder let in again; the times of both stay known.
CREATE OR REPLACE FUNCTION oeventdb.undo_check_in(
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
DECLARE
    v_holder public.ticket_holders := oeventdb_internal.lock_ticket_holder(undo_check_in.ticket_holder_id);
BEGIN
    RETURN QUERY
    UPDATE public.ticket_holders AS h SET is_checked_in = false, checked_in_at = NULL WHERE h.id = v_holder.id
    RETURNING (oeventdb_internal.ticket_holder_row(h.*)).*;
END
$function$;

COMMENT ON FUNCTION oeventdb.undo_check_in(bigint) IS
'Takes a check-in back and returns the holder, who may be checked in again; checkin_times keeps the times. A holder who is not checked in stays so.
Errors: OE404 no such holder; OE400 ticket_holder_id NULL.';

REVOKE ALL ON FUNCTION oeventdb.undo_check_in(bigint) FROM PUBLIC;
-- <<<

SELECT oeventdb_internal.drop_unfinished_index('orders_expiry');

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_expiry
    ON public.orders (expires_at) WHERE status OPERATOR(pg_catalog.=) 'pending';

SELECT oeventdb_internal.drop_unfinished_index('orders_discount_code');

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_discount_code
    ON public.orders (discount_code_id) WHERE discount_code_id IS NOT NULL;

SELECT oeventdb_internal.drop_unfinished_index('orders_access_code_id');

CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_access_code_id
    ON public.orders (access_code_id) WHERE access_code_id IS NOT NULL;

SELECT oeventdb_internal.drop_unfinished_index('access_codes_event_code');

CREATE INDEX CONCURRENTLY IF NOT EXISTS access_codes_event_code
    ON public.access_codes (event_id, pg_catalog.lower(pg_catalog.lower(code COLLATE pg_catalog."C") COLLATE pg_catalog."default"));

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 'public.orders'::regclass AND conname = 'orders_access_code'
    ) THEN
        ALTER TABLE public.orders ADD CONSTRAINT orders_access_code
            FOREIGN KEY (access_code_id) REFERENCES public.access_codes ON DELETE SET NULL NOT VALID;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 'public.orders'::regclass AND conname = 'orders_code_seats'
    ) THEN
        ALTER TABLE public.orders ADD CONSTRAINT orders_code_seats CHECK (discount_seats >= 0 AND access_seats >= 0) NOT VALID;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 'public.discount_codes'::regclass AND conname = 'discount_codes_used_number'
    ) THEN
        ALTER TABLE public.discount_codes ADD CONSTRAINT discount_codes_used_number
            -- in old databases it may be negative
            CHECK (used_number >= 0 AND used_number <= GREATEST(tickets_number, 0)) NOT VALID;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 'public.access_codes'::regclass AND conname = 'access_codes_used_number'
    ) THEN
        ALTER TABLE public.access_codes ADD CONSTRAINT access_codes_used_number
            -- in old databases it may be negative
            CHECK (used_number >= 0 AND used_number <= GREATEST(tickets_number, 0)) NOT VALID;
    END IF;
END
$$;

ALTER TABLE public.orders VALIDATE CONSTRAINT orders_access_code;

ALTER TABLE public.orders VALIDATE CONSTRAINT orders_code_seats;

-- A dead order's holders that the numbering found room for give their admissions up; a few at a time, each under the trigger's rules.
CREATE OR REPLACE PROCEDURE oeventdb_internal.free_dead_admissions()
LANGUAGE plpgsql
AS $procedure$
DECLARE
    v_batch record;
BEGIN
    SET LOCAL search_path = pg_catalog, pg_temp;
    FOR v_batch IN
        SELECT pg_catalog.array_agg(h.id) AS ids
        FROM public.ticket_holders AS h
        INNER JOIN public.orders AS o ON o.id = h.order_id
        WHERE h.admission_no IS NOT NULL AND NOT oeventdb_internal.order_is_live(o.status)
        GROUP BY h.id / 1000
    LOOP
        UPDATE public.ticket_holders AS h SET admission_no = NULL WHERE h.id = ANY (v_batch.ids);
        COMMIT;
        SET LOCAL search_path = pg_catalog, pg_temp;
    END LOOP;
END
$procedure$;

CALL oeventdb_internal.free_dead_admissions();

DROP PROCEDURE IF EXISTS oeventdb_internal.free_dead_admissions();

-- From here on orders count; those that are there already follow below, as no order has seats of a code yet.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = 'public.orders'::regclass AND tgname = 'order_code_uses'
    ) THEN
        LOCK TABLE
            public.tickets, public.orders, public.discount_codes, public.access_codes, public.orders_tickets, public.ticket_holders
        IN SHARE ROW EXCLUSIVE MODE;
        CREATE TRIGGER order_code_uses
            -- and not of a list of columns: a BEFORE trigger may change a column that the UPDATE does not name
            AFTER UPDATE ON public.orders FOR EACH ROW
            -- spelled out: a condition is evaluated as the writer, who may call no function of ours; and column by column, or
            -- it would read otherwise after a dump and restore, and `oeventdb check` would name it
            WHEN (COALESCE(OLD.discount_seats, NEW.discount_seats, OLD.access_seats, NEW.access_seats) IS NOT NULL
                AND (COALESCE(OLD.status <> ALL (ARRAY['cancelled', 'expired', 'deleted']), true)
                    <> COALESCE(NEW.status <> ALL (ARRAY['cancelled', 'expired', 'deleted']), true)
                    OR OLD.discount_code_id IS DISTINCT FROM NEW.discount_code_id OR OLD.discount_seats IS DISTINCT FROM NEW.discount_seats
                    OR OLD.access_code_id IS DISTINCT FROM NEW.access_code_id OR OLD.access_seats IS DISTINCT FROM NEW.access_seats))
            EXECUTE FUNCTION oeventdb_internal.order_code_uses();
        -- before: the holders are deleted after it, and codes are locked before tickets
        CREATE TRIGGER order_code_uses_delete BEFORE DELETE ON public.orders FOR EACH ROW
            WHEN (OLD.discount_seats IS NOT NULL OR OLD.access_seats IS NOT NULL)
            EXECUTE FUNCTION oeventdb_internal.order_code_uses();
        CREATE TRIGGER order_code_uses_insert AFTER INSERT ON public.orders FOR EACH ROW
            WHEN (NEW.discount_seats IS NOT NULL OR NEW.access_seats IS NOT NULL)
            EXECUTE FUNCTION oeventdb_internal.order_code_uses();
        CREATE TRIGGER order_code_uses_truncate AFTER TRUNCATE ON public.orders
            FOR EACH STATEMENT EXECUTE FUNCTION oeventdb_internal.order_code_uses();
        CREATE TRIGGER order_history AFTER INSERT ON public.orders
            FOR EACH ROW EXECUTE FUNCTION oeventdb_internal.order_history();
        CREATE TRIGGER order_history_update AFTER UPDATE ON public.orders FOR EACH ROW
            WHEN (OLD.status IS DISTINCT FROM NEW.status)
            EXECUTE FUNCTION oeventdb_internal.order_history();
        CREATE TRIGGER order_amount AFTER UPDATE ON public.orders FOR EACH ROW
            WHEN ((NEW.event_id IS NOT NULL AND OLD.event_id IS DISTINCT FROM NEW.event_id) OR OLD.currency IS DISTINCT FROM NEW.currency
                OR (NEW.currency IS NOT NULL AND OLD.amount IS DISTINCT FROM NEW.amount))
            EXECUTE FUNCTION oeventdb_internal.order_amount();
        CREATE TRIGGER order_amount_insert AFTER INSERT ON public.orders FOR EACH ROW
            WHEN (NEW.currency IS NOT NULL)
            EXECUTE FUNCTION oeventdb_internal.order_amount();
        CREATE TRIGGER order_lines AFTER INSERT OR UPDATE OR DELETE ON public.orders_tickets
            FOR EACH ROW EXECUTE FUNCTION oeventdb_internal.order_lines();
        CREATE TRIGGER order_lines_truncate AFTER TRUNCATE ON public.orders_tickets
            FOR EACH STATEMENT EXECUTE FUNCTION oeventdb_internal.order_lines();
        -- its name lets it come after ticket_quantity, which refuses a ticket that has holders
        CREATE TRIGGER ticket_with_lines AFTER UPDATE ON public.tickets FOR EACH ROW
            WHEN (OLD.event_id IS DISTINCT FROM NEW.event_id)
            EXECUTE FUNCTION oeventdb_internal.ticket_lines();
        CREATE TRIGGER check_in_undone BEFORE INSERT OR UPDATE ON public.ticket_holders FOR EACH ROW
            WHEN (NEW.checked_in_at IS NOT NULL AND NEW.is_checked_in IS NOT TRUE)
            EXECUTE FUNCTION oeventdb_internal.check_in_undone();
        -- its name lets it come after code_uses_kept, which looks at what was written
        CREATE TRIGGER code_uses_limit BEFORE UPDATE ON public.discount_codes FOR EACH ROW
            WHEN ((OLD.tickets_number IS NULL) <> (NEW.tickets_number IS NULL))
            EXECUTE FUNCTION oeventdb_internal.code_limit();
        CREATE TRIGGER code_uses_limit BEFORE UPDATE ON public.access_codes FOR EACH ROW
            WHEN ((OLD.tickets_number IS NULL) <> (NEW.tickets_number IS NULL))
            EXECUTE FUNCTION oeventdb_internal.code_limit();
        CREATE TRIGGER code_uses_kept BEFORE UPDATE ON public.discount_codes FOR EACH ROW
            WHEN (NEW.used_number <> OLD.used_number)
            EXECUTE FUNCTION oeventdb_internal.code_uses_kept();
        CREATE TRIGGER code_uses_kept_insert BEFORE INSERT ON public.discount_codes FOR EACH ROW
            WHEN (NEW.used_number <> 0)
            EXECUTE FUNCTION oeventdb_internal.code_uses_kept();
        CREATE TRIGGER code_uses_kept BEFORE UPDATE ON public.access_codes FOR EACH ROW
            WHEN (NEW.used_number <> OLD.used_number)
            EXECUTE FUNCTION oeventdb_internal.code_uses_kept();
        CREATE TRIGGER code_uses_kept_insert BEFORE INSERT ON public.access_codes FOR EACH ROW
            WHEN (NEW.used_number <> 0)
            EXECUTE FUNCTION oeventdb_internal.code_uses_kept();
        CREATE TRIGGER order_history_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON oeventdb_internal.order_history
            FOR EACH STATEMENT EXECUTE FUNCTION oeventdb_internal.order_history_kept();
    END IF;
END
$$;

-- What live orders have used of limited codes, as far as the limit goes; older orders come first. A code that a constraint keeps from
-- being written is not counted: who cancels one of its orders would be refused for it.
CREATE OR REPLACE PROCEDURE oeventdb_internal.count_code_uses()
LANGUAGE plpgsql
AS $procedure$
DECLARE
    v_task CONSTANT text := '0009.selling: uses of codes';
    v_from bigint;
    v_last bigint;
    v_to bigint;
    v_order record;
    v_left bigint;
    v_failures integer := 0;
BEGIN
    SET LOCAL search_path = pg_catalog, pg_temp;
    INSERT INTO oeventdb_internal.progress (task, done, total, unit)
    SELECT v_task, LEAST(pg_catalog.min(o.id)::bigint - 1, 0), COALESCE(pg_catalog.max(o.id), 0), 'order ids' FROM public.orders AS o
    ON CONFLICT (task) DO NOTHING;
    COMMIT;
    SET LOCAL search_path = pg_catalog, pg_temp;
    LOOP
        PERFORM pg_catalog.set_config('synchronous_commit', 'off', true);
        PERFORM pg_catalog.set_config('lock_timeout', '300ms', true);
        -- by the order of ids: without statistics all orders would be read and sorted for every batch
        PERFORM pg_catalog.set_config('enable_sort', 'off', true);
        BEGIN
            SELECT p.done, p.total INTO v_from, v_last FROM oeventdb_internal.progress AS p WHERE p.task = v_task FOR UPDATE;
            v_to := NULL;
            FOR v_order IN
                SELECT o.id, o.discount_code_id FROM public.orders AS o
                WHERE o.id > v_from AND o.id <= v_last AND o.discount_code_id IS NOT NULL
                    -- not by a join: an order that has to be waited for may come back with another code
                    AND (SELECT c.tickets_number FROM public.discount_codes AS c WHERE c.id = o.discount_code_id) IS NOT NULL
                    AND o.discount_seats IS NULL AND oeventdb_internal.order_is_live(o.status)
                ORDER BY o.id LIMIT 50
                FOR NO KEY UPDATE OF o
            LOOP
                v_to := v_order.id;
                BEGIN
                    SELECT GREATEST(c.tickets_number - c.used_number, 0) INTO v_left FROM public.discount_codes AS c
                    WHERE c.id = v_order.discount_code_id FOR NO KEY UPDATE;
                    UPDATE public.orders AS o SET discount_seats = s.seats
                    FROM (
                        SELECT LEAST(pg_catalog.count(*), v_left)::integer AS seats
                        FROM public.ticket_holders AS h
                        -- not by a join: without statistics it would begin with all holders of the code's tickets
                        WHERE h.order_id = v_order.id AND v_order.discount_code_id = (
                            SELECT t.discount_code_id FROM public.tickets AS t WHERE t.id = h.ticket_id
                        )
                        HAVING pg_catalog.count(*) > 0
                    ) AS s
                    WHERE o.id = v_order.id;
                EXCEPTION WHEN check_violation THEN
                    NULL;
                END;
            END LOOP;
            UPDATE oeventdb_internal.progress AS p SET done = COALESCE(v_to, v_last), updated_at = pg_catalog.now()
            WHERE p.task = v_task;
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
        EXIT WHEN v_to IS NULL AND v_failures = 0;
        PERFORM pg_catalog.pg_sleep(LEAST(v_failures, 10) * 0.02);
    END LOOP;
    DELETE FROM oeventdb_internal.progress AS p WHERE p.task = v_task;
    COMMIT;
END
$procedure$;

CALL oeventdb_internal.count_code_uses();

DROP PROCEDURE IF EXISTS oeventdb_internal.count_code_uses();
