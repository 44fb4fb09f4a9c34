-- What test_statements.py draws from: orders, holders and tickets. {order} and the like are some order of the shops.

-- functions
SELECT oeventdb.place_order(%(event)s, %(lines)s, 'ada@example.org', %(discount)s, %(access)s);
SELECT oeventdb.complete_order((SELECT identifier FROM orders WHERE id = {order}));
SELECT oeventdb.cancel_order((SELECT identifier FROM orders WHERE id = {order}));
SELECT oeventdb.add_ticket_holder(%(ticket)s, 'a', 'b');
SELECT oeventdb.remove_ticket_holder({holder});
SELECT oeventdb.check_in({holder});
SELECT oeventdb.undo_check_in({holder});
WITH late AS (
    UPDATE orders SET expires_at = now() - interval '1 s' WHERE status = 'pending' AND event_id = %(event)s RETURNING id
)
SELECT oeventdb.expire_orders() FROM late;

-- orders
UPDATE orders SET status = %(status)s WHERE id = {order};
UPDATE orders SET status = %(status)s WHERE event_id = %(event)s AND id %% 2 = %(bit)s;
UPDATE orders SET discount_seats = %(small)s, access_seats = %(bit)s WHERE id = {order};
UPDATE orders SET discount_code_id = (SELECT min(id) FROM discount_codes WHERE event_id = %(event)s) WHERE id = {order};
UPDATE orders SET event_id = %(event)s WHERE id = {order};
INSERT INTO orders_tickets (order_id, ticket_id, quantity) VALUES ({order}, %(ticket)s, 1) ON CONFLICT DO NOTHING;
DELETE FROM orders WHERE id = {order};
INSERT INTO orders (identifier, event_id, status, discount_code_id, discount_seats)
SELECT gen_random_uuid(), event_id, %(status)s, id, %(small)s FROM discount_codes WHERE event_id = %(event)s;
INSERT INTO orders (id, identifier, event_id, status, access_code_id, access_seats)
SELECT coalesce({order}, nextval('orders_id_seq')), gen_random_uuid(), event_id, %(status)s, id, %(small)s
FROM access_codes WHERE event_id = %(event)s
ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status, access_seats = EXCLUDED.access_seats;

-- holders
INSERT INTO ticket_holders (firstname, lastname, ticket_id, order_id, admission_no)
VALUES ('a', 'b', %(ticket)s, {order}, %(number)s);
INSERT INTO ticket_holders (firstname, lastname, ticket_id)
SELECT 'a', 'b', %(ticket)s FROM generate_series(1, %(small)s);
INSERT INTO ticket_holders (firstname, lastname, ticket_id, admission_no) VALUES ('a', 'b', %(ticket)s, %(number)s)
ON CONFLICT DO NOTHING;
INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, admission_no)
VALUES (coalesce({holder}, nextval('ticket_holders_id_seq')), 'a', 'b', %(ticket)s, %(number)s)
ON CONFLICT (id) DO UPDATE SET ticket_id = EXCLUDED.ticket_id, admission_no = EXCLUDED.admission_no;
MERGE INTO ticket_holders AS h USING unnest(%(tickets)s) AS s (id) ON h.ticket_id = s.id AND h.id %% 2 = %(bit)s
WHEN MATCHED AND h.admission_no > 2 THEN DELETE
WHEN MATCHED THEN UPDATE SET ticket_id = %(ticket)s
WHEN NOT MATCHED THEN INSERT (firstname, lastname, ticket_id) VALUES ('a', 'b', s.id);
UPDATE ticket_holders
SET admission_no = CASE admission_no WHEN 1 THEN %(number)s WHEN 2 THEN 1 WHEN 3 THEN 2 ELSE admission_no END
WHERE ticket_id = ANY (%(tickets)s);
UPDATE ticket_holders SET ticket_id = %(ticket)s, admission_no = %(number)s WHERE id = {holder};
UPDATE ticket_holders SET ticket_id = CASE ticket_id WHEN %(ticket)s THEN %(other)s ELSE %(ticket)s END
WHERE ticket_id IN (%(ticket)s, %(other)s);
UPDATE ticket_holders SET id = 400000000 - id, ticket_id = %(ticket)s, order_id = {order} WHERE ticket_id = %(other)s;
INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, order_id)
SELECT id, 'a', 'b', %(ticket)s, {order} FROM ticket_holders WHERE ticket_id = %(other)s
ON CONFLICT (id) DO UPDATE SET order_id = EXCLUDED.order_id, ticket_id = EXCLUDED.ticket_id;
UPDATE ticket_holders SET admission_no = NULL WHERE ticket_id = ANY (%(tickets)s);
UPDATE ticket_holders SET ticket_id = NULL, order_id = NULL WHERE id = {holder};
UPDATE ticket_holders SET ticket_id = %(ticket)s WHERE ticket_id IS NULL AND event_id = %(event)s;
UPDATE ticket_holders SET order_id = {order} WHERE id = {holder};
UPDATE ticket_holders SET order_id = NULL WHERE ticket_id = ANY (%(tickets)s) AND id %% 2 = %(bit)s;
UPDATE ticket_holders SET event_id = %(event)s WHERE ticket_id = ANY (%(tickets)s);
DELETE FROM ticket_holders WHERE ticket_id = ANY (%(tickets)s) AND id %% 3 = %(bit)s;
WITH gone AS (
    DELETE FROM ticket_holders WHERE ticket_id = ANY (%(tickets)s) AND id %% 2 = %(bit)s RETURNING *
)
INSERT INTO ticket_holders (firstname, lastname, ticket_id, order_id, admission_no)
SELECT 'a', 'b', ticket_id, order_id, admission_no FROM gone;

-- tickets and codes
UPDATE tickets SET quantity = %(number)s WHERE id = ANY (%(tickets)s);
UPDATE tickets SET quantity = quantity - 1 WHERE id = ANY (%(tickets)s);
UPDATE tickets AS t SET quantity = (SELECT count(*) FROM ticket_holders AS h WHERE h.ticket_id = t.id)
WHERE t.id = ANY (%(all)s);
UPDATE tickets SET event_id = %(event)s WHERE id = %(ticket)s;
UPDATE tickets SET event_id = %(event)s, quantity = %(number)s WHERE id = ANY (%(tickets)s);
DELETE FROM tickets WHERE id = %(ticket)s;
INSERT INTO tickets (id, name, type, price, event_id, quantity, position, min_order, max_order, is_hidden,
    sales_starts_at, sales_ends_at)
SELECT id, 'again', 'paid', 20, %(event)s, 4, 1, 1, 10, false, now() - interval '1 d', now() + interval '1 d'
FROM unnest(%(all)s) AS s (id) ON CONFLICT (id) DO NOTHING;
WITH gone AS (DELETE FROM tickets WHERE id = %(ticket)s RETURNING *) INSERT INTO tickets SELECT * FROM gone;
UPDATE tickets SET id = 500000000 - id, quantity = %(number)s WHERE id = %(ticket)s;
UPDATE tickets SET id = 500000000 - id WHERE id = 500000000 - %(ticket)s;
UPDATE discount_codes SET tickets_number = %(number)s WHERE event_id = %(event)s;
UPDATE access_codes SET tickets_number = %(number)s WHERE event_id = %(event)s;
UPDATE discount_codes SET used_number = %(small)s WHERE event_id = %(event)s;

-- several tables at once
WITH resized AS (UPDATE tickets SET quantity = %(number)s WHERE id = %(ticket)s RETURNING id)
INSERT INTO ticket_holders (firstname, lastname, ticket_id, order_id, admission_no)
SELECT 'a', 'b', id, {order}, %(number)s FROM resized;
WITH changed AS (UPDATE orders SET status = %(status)s WHERE id = {order} RETURNING id)
INSERT INTO ticket_holders (firstname, lastname, ticket_id, order_id, admission_no)
SELECT 'a', 'b', %(ticket)s, id, %(number)s FROM changed;
WITH changed AS (UPDATE orders SET status = %(status)s WHERE id = {order} RETURNING id)
UPDATE ticket_holders AS h SET ticket_id = %(ticket)s FROM changed AS o WHERE h.order_id = o.id;
WITH changed AS (UPDATE orders SET status = %(status)s WHERE id = {order} RETURNING id)
DELETE FROM ticket_holders AS h USING changed AS o WHERE h.order_id = o.id AND h.id %% 2 = %(bit)s;
WITH moved AS (UPDATE ticket_holders SET ticket_id = %(other)s WHERE ticket_id = %(ticket)s RETURNING order_id)
UPDATE orders SET status = %(status)s WHERE id IN (SELECT order_id FROM moved);
WITH freed AS (DELETE FROM ticket_holders WHERE ticket_id = %(ticket)s RETURNING ticket_id)
UPDATE tickets AS t SET quantity = %(number)s FROM freed AS f WHERE t.id = f.ticket_id;
WITH gone AS (DELETE FROM orders WHERE id = {order} RETURNING id), resized AS (
    UPDATE tickets SET quantity = %(number)s WHERE id = %(ticket)s RETURNING id
)
SELECT FROM gone, resized;
