-- Takes selling away; what was sold stays in the legacy columns, what has no place there goes to the journal.

LOCK TABLE public.tickets, public.orders, public.orders_tickets, public.ticket_holders, public.discount_codes, public.access_codes
IN ACCESS EXCLUSIVE MODE;

INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
SELECT '0009.selling', 'orders', o.id::text, pg_catalog.to_jsonb(o.*), 'order placed since the migration'
FROM public.orders AS o
WHERE o.email IS NOT NULL OR o.currency IS NOT NULL OR o.expires_at IS NOT NULL OR o.access_code_id IS NOT NULL
    -- written by an application: more than the next way up would count
    OR o.discount_seats IS NOT NULL AND o.discount_seats > (
        SELECT pg_catalog.count(*) FROM public.ticket_holders AS h
        INNER JOIN public.tickets AS t ON t.id = h.ticket_id
        WHERE h.order_id = o.id AND t.discount_code_id = o.discount_code_id
    )
UNION ALL
SELECT '0009.selling', 'orders_tickets', l.order_id::text || ':' || l.ticket_id::text, pg_catalog.to_jsonb(l.*),
    'prices of an order placed since the migration'
FROM public.orders_tickets AS l
WHERE l.price IS NOT NULL
UNION ALL
SELECT '0009.selling', 'ticket_holders', h.id::text, pg_catalog.jsonb_build_object('id', h.id, 'checked_in_at', h.checked_in_at),
    'checked in since the migration'
FROM public.ticket_holders AS h
WHERE h.checked_in_at IS NOT NULL;

DROP TRIGGER order_code_uses_insert ON public.orders;

DROP TRIGGER order_code_uses_delete ON public.orders;

DROP TRIGGER order_code_uses_truncate ON public.orders;

DROP TRIGGER order_code_uses ON public.orders;

DROP TRIGGER order_history ON public.orders;

DROP TRIGGER order_history_update ON public.orders;

DROP TRIGGER order_amount ON public.orders;

DROP TRIGGER IF EXISTS order_amount_insert ON public.orders;

DROP TRIGGER order_lines ON public.orders_tickets;

DROP TRIGGER IF EXISTS order_lines_truncate ON public.orders_tickets;

DROP TRIGGER ticket_with_lines ON public.tickets;

DROP TRIGGER check_in_undone ON public.ticket_holders;

DROP TRIGGER code_uses_limit ON public.discount_codes;

DROP TRIGGER code_uses_limit ON public.access_codes;

DROP TRIGGER code_uses_kept ON public.discount_codes;

DROP TRIGGER code_uses_kept_insert ON public.discount_codes;

DROP TRIGGER code_uses_kept ON public.access_codes;

DROP TRIGGER code_uses_kept_insert ON public.access_codes;

-- The history is not lost with the table.
INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
SELECT '0009.selling', 'order_history', h.order_id::text, pg_catalog.to_jsonb(h.*), 'state of an order since the migration'
FROM oeventdb_internal.order_history AS h;

DROP TABLE oeventdb_internal.order_history;

-- >>> db/procedures/selling/undo_check_in.sql
DROP FUNCTION oeventdb.undo_check_in(bigint);
-- <<<

-- >>> db/procedures/selling/check_in.sql
DROP FUNCTION oeventdb.check_in(bigint, timestamptz);
-- <<<

-- >>> db/procedures/selling/check_in_undone.sql
DROP FUNCTION oeventdb_internal.check_in_undone();
-- <<<

-- >>> db/procedures/selling/lock_ticket_holder.sql
DROP FUNCTION oeventdb_internal.lock_ticket_holder(bigint);
-- <<<

-- >>> db/procedures/selling/code_uses_kept.sql
DROP FUNCTION oeventdb_internal.code_uses_kept();
-- <<<

-- >>> db/procedures/selling/code_limit.sql
DROP FUNCTION oeventdb_internal.code_limit();
-- <<<

-- >>> db/procedures/selling/order_code_uses.sql
DROP FUNCTION oeventdb_internal.order_code_uses();
-- <<<

-- >>> db/procedures/selling/order_history_kept.sql
DROP FUNCTION oeventdb_internal.order_history_kept();
-- <<<

-- >>> db/procedures/selling/order_history.sql
DROP FUNCTION oeventdb_internal.order_history();
-- <<<

-- >>> db/procedures/selling/ticket_lines.sql
DROP FUNCTION oeventdb_internal.ticket_lines();
-- <<<

-- >>> db/procedures/selling/order_amount.sql
DROP FUNCTION oeventdb_internal.order_amount();
-- <<<

-- >>> db/procedures/selling/order_lines.sql
DROP FUNCTION oeventdb_internal.order_lines();
-- <<<

-- >>> db/procedures/selling/require_order_lines.sql
DROP FUNCTION oeventdb_internal.require_order_lines(bigint, boolean);
-- <<<

-- >>> db/procedures/selling/expire_orders.sql
DROP FUNCTION oeventdb.expire_orders(integer);
-- <<<

-- >>> db/procedures/selling/announce_release.sql
DROP FUNCTION oeventdb_internal.announce_release(bigint[]);
-- <<<

-- >>> db/procedures/selling/cancel_order.sql
DROP FUNCTION oeventdb.cancel_order(text, text);
-- <<<

-- >>> db/procedures/selling/complete_order.sql
DROP FUNCTION oeventdb.complete_order(text, text);
-- <<<

-- >>> db/procedures/selling/refuse_order_state.sql
DROP FUNCTION oeventdb_internal.refuse_order_state(text, text);
-- <<<

-- >>> db/procedures/selling/lock_order.sql
DROP FUNCTION oeventdb_internal.lock_order(text);
-- <<<

-- >>> db/procedures/selling/place_order.sql
DROP FUNCTION oeventdb.place_order(bigint, jsonb, text, text, text, text, interval);
-- <<<

-- >>> db/procedures/selling/lock_codes.sql
DROP FUNCTION oeventdb_internal.lock_codes(bigint, jsonb, text, text);
-- <<<

-- >>> db/procedures/selling/quote_order.sql
DROP FUNCTION oeventdb.quote_order(bigint, jsonb, text, text);
-- <<<

-- >>> db/procedures/selling/claim_lines.sql
DROP FUNCTION oeventdb_internal.claim_lines(oeventdb_internal.order_line[], bigint);
-- <<<

-- >>> db/procedures/selling/begin_request.sql
DROP FUNCTION oeventdb_internal.begin_request(text, jsonb);
-- <<<

-- >>> db/procedures/selling/require_buyer.sql
DROP FUNCTION oeventdb_internal.require_buyer(text, text, interval);
-- <<<

-- >>> db/procedures/selling/order_row.sql
DROP FUNCTION oeventdb_internal.order_row(public.orders);
-- <<<

-- >>> db/procedures/selling/use_access_code.sql
DROP FUNCTION oeventdb_internal.use_access_code(bigint, integer);
-- <<<

-- >>> db/procedures/selling/lock_access_code.sql
DROP FUNCTION oeventdb_internal.lock_access_code(bigint);
-- <<<

-- >>> db/procedures/selling/use_discount_code.sql
DROP FUNCTION oeventdb_internal.use_discount_code(bigint, integer);
-- <<<

-- >>> db/procedures/selling/lock_discount_code.sql
DROP FUNCTION oeventdb_internal.lock_discount_code(bigint);
-- <<<

-- >>> db/procedures/selling/price_order.sql
DROP FUNCTION oeventdb_internal.price_order(bigint, jsonb, text, text, boolean);
-- <<<

-- >>> db/procedures/selling/require_access_use.sql
DROP FUNCTION oeventdb_internal.require_access_use(public.access_codes, integer);
-- <<<

-- >>> db/procedures/selling/require_discount_use.sql
DROP FUNCTION oeventdb_internal.require_discount_use(public.discount_codes, integer);
-- <<<

-- >>> db/procedures/selling/seat_discount.sql
DROP FUNCTION oeventdb_internal.seat_discount(text, numeric, text, numeric, integer);
-- <<<

-- >>> db/procedures/selling/sell_ticket.sql
DROP FUNCTION oeventdb_internal.sell_ticket(oeventdb_internal.order_line, bigint, integer, bigint);
-- <<<

-- >>> db/procedures/selling/refuse_sale.sql
DROP FUNCTION oeventdb_internal.refuse_sale(text, oeventdb_internal.order_line, bigint);
-- <<<

-- >>> db/procedures/selling/find_discount_code.sql
DROP FUNCTION oeventdb_internal.find_discount_code(bigint, text, timestamptz);
-- <<<

-- >>> db/procedures/selling/find_access_code.sql
DROP FUNCTION oeventdb_internal.find_access_code(bigint, text, timestamptz);
-- <<<

-- >>> db/procedures/selling/live_discount_code.sql
DROP FUNCTION oeventdb_internal.live_discount_code(bigint, text);
-- <<<

-- >>> db/procedures/selling/live_access_code.sql
DROP FUNCTION oeventdb_internal.live_access_code(bigint, text);
-- <<<

-- >>> db/procedures/selling/refuse_discount_code.sql
DROP FUNCTION oeventdb_internal.refuse_discount_code(text);
-- <<<

-- >>> db/procedures/selling/refuse_access_code.sql
DROP FUNCTION oeventdb_internal.refuse_access_code(text);
-- <<<

-- >>> db/procedures/selling/currency_digits.sql
DROP FUNCTION oeventdb_internal.currency_digits(text);
-- <<<

-- >>> db/procedures/selling/read_order_lines.sql
DROP FUNCTION oeventdb_internal.read_order_lines(jsonb);
-- <<<

-- >>> db/procedures/selling/order_line_fault.sql
DROP FUNCTION oeventdb_internal.order_line_fault(jsonb);
-- <<<

-- >>> db/procedures/selling/order_holders_fault.sql
DROP FUNCTION oeventdb_internal.order_holders_fault(jsonb, integer);
-- <<<

DROP TYPE oeventdb."order";

DROP TYPE oeventdb_internal.priced_order;

DROP TYPE oeventdb_internal.order_line;

DROP TABLE oeventdb_internal.order_requests;

DROP INDEX public.orders_expiry;

DROP INDEX public.orders_discount_code;

DROP INDEX public.access_codes_event_code;

ALTER TABLE public.orders
    DROP COLUMN email,
    DROP COLUMN currency,
    DROP COLUMN expires_at,
    DROP COLUMN discount_seats,
    DROP COLUMN access_code_id,
    DROP COLUMN access_seats;

ALTER TABLE public.orders_tickets DROP COLUMN price, DROP COLUMN discount;

ALTER TABLE public.ticket_holders DROP COLUMN checked_in_at;

ALTER TABLE public.discount_codes DROP COLUMN used_number;

ALTER TABLE public.access_codes DROP COLUMN used_number;
