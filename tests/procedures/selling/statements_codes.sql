-- What test_statements.py draws from: codes, what they cover, and feedback.

-- functions
SELECT oeventdb.create_discount_code(%(event)s, 'C' || %(small)s, 'amount', %(money)s, ticket_ids => ARRAY[%(ticket)s]::bigint[],
    tickets_number => %(number)s);
SELECT oeventdb.create_discount_code(%(event)s, 'C' || %(small)s, 'percent', %(money)s, ticket_ids => %(tickets)s::bigint[]);
SELECT oeventdb.replace_discount_code_tickets({code}, %(tickets)s::bigint[]);
SELECT oeventdb.delete_discount_code({code});
SELECT oeventdb.submit_feedback(%(event)s, {user}, %(small)s::text, 'x');

-- codes
UPDATE discount_codes SET value = %(money)s WHERE id = {code};
UPDATE discount_codes SET value = %(money)s, type = CASE %(bit)s WHEN 1 THEN 'amount' ELSE 'percent' END WHERE event_id = %(event)s;
UPDATE discount_codes SET code = 'C' || %(small)s WHERE id = {code};
UPDATE discount_codes SET code = CASE WHEN code ILIKE 'C1' THEN 'C2' WHEN code ILIKE 'C2' THEN 'C1' ELSE code END
WHERE event_id = %(event)s;
UPDATE discount_codes SET event_id = %(event)s WHERE id = {code};
UPDATE discount_codes SET used_for = CASE %(bit)s WHEN 1 THEN 'event' ELSE 'ticket' END WHERE id = {code};
UPDATE discount_codes SET min_quantity = %(small)s, max_quantity = %(number)s WHERE id = {code};
UPDATE discount_codes SET tickets_number = %(number)s WHERE id = {code};
UPDATE discount_codes SET id = 300000000 - id WHERE id = {code};
DELETE FROM discount_codes WHERE id = {code};
INSERT INTO discount_codes (code, type, value, used_for, event_id, is_active)
VALUES ('c' || %(small)s, 'amount', %(money)s, CASE %(bit)s WHEN 1 THEN 'event' ELSE 'ticket' END, %(event)s, true);
INSERT INTO discount_codes (id, code, type, value, used_for, event_id, is_active)
SELECT {code}, 'c' || %(small)s, 'amount', %(money)s, 'ticket', %(event)s, true WHERE {code} IS NOT NULL
ON CONFLICT (id) DO UPDATE SET value = EXCLUDED.value, code = EXCLUDED.code;
WITH gone AS (DELETE FROM discount_codes WHERE id = {code} RETURNING *) INSERT INTO discount_codes SELECT * FROM gone;

-- tickets
UPDATE tickets SET price = %(money)s WHERE id = %(ticket)s;
UPDATE tickets SET price = price - 1 WHERE id = ANY (%(tickets)s);
UPDATE tickets SET discount_code_id = {code} WHERE id = %(ticket)s;
UPDATE tickets SET discount_code_id = {code}, price = %(money)s WHERE id = ANY (%(tickets)s);
UPDATE tickets SET discount_code_id = NULL WHERE id = ANY (%(tickets)s);
UPDATE tickets SET event_id = %(event)s WHERE id = %(ticket)s;
UPDATE tickets SET event_id = %(event)s, discount_code_id = {code} WHERE id = %(ticket)s;
UPDATE tickets SET type = CASE %(bit)s WHEN 1 THEN 'free' ELSE 'paid' END WHERE id = %(ticket)s;
INSERT INTO tickets (name, type, price, event_id, discount_code_id, quantity, position, min_order, max_order, is_hidden,
    sales_starts_at, sales_ends_at)
VALUES (gen_random_uuid(), 'paid', %(money)s, %(event)s, {code}, 4, 1, 1, 10, false, now() - interval '1 d', now() + interval '1 d');
WITH gone AS (UPDATE tickets SET discount_code_id = NULL WHERE id = %(ticket)s RETURNING *)
UPDATE discount_codes AS c SET value = %(money)s FROM gone WHERE c.event_id = gone.event_id;
WITH raised AS (UPDATE discount_codes SET value = %(money)s WHERE id = {code} RETURNING id)
UPDATE tickets SET price = %(money)s, discount_code_id = {code} WHERE id = %(ticket)s;

-- access codes
INSERT INTO access_codes_tickets (access_code_id, ticket_id) VALUES ({access}, %(ticket)s);
DELETE FROM access_codes_tickets WHERE ticket_id = %(ticket)s;
UPDATE access_codes SET event_id = %(event)s WHERE id = {access};
UPDATE access_codes SET tickets_number = %(number)s WHERE id = {access};
INSERT INTO access_codes (code, event_id, is_active) VALUES ('D' || %(small)s, %(event)s, true);

-- feedback
INSERT INTO feedback (event_id, user_id, rating) VALUES (%(event)s, {user}, %(small)s);
INSERT INTO feedback (event_id, user_id, rating)
SELECT e, {user}, %(small)s FROM unnest(%(events)s) AS s (e) ON CONFLICT DO NOTHING;
UPDATE feedback SET user_id = {user} WHERE event_id = %(event)s AND id %% 2 = %(bit)s;
UPDATE feedback SET event_id = %(event)s WHERE user_id = {user};
UPDATE feedback SET is_superseded = (%(bit)s = 1) WHERE event_id = %(event)s;
UPDATE feedback SET rating = rating + 0.5 WHERE event_id = %(event)s AND rating < 5;
DELETE FROM feedback WHERE user_id = {user};

-- orders
SELECT oeventdb.place_order(%(event)s, %(lines)s, 'ada@example.org',
    (SELECT code FROM discount_codes WHERE id = {code}), (SELECT code FROM access_codes WHERE id = {access}));
SELECT oeventdb.cancel_order((SELECT identifier FROM orders WHERE id = {order}));
DELETE FROM orders WHERE id = {order};
