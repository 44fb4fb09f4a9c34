-- The little shop of the examples, for a migrated database that is empty.
INSERT INTO users (_email, _password) VALUES ('ada@example.org', ''), ('bob@example.org', '');

INSERT INTO events (identifier, name, starts_at, ends_at, timezone, state, privacy, payment_currency)
SELECT identifier, name, now() + '30 days', now() + '32 days', 'UTC', 'published', 'public', 'EUR'
FROM (VALUES ('a1b2c3d4', 'PyCon'), ('e5f60718', 'JSConf')) AS event (identifier, name);

INSERT INTO tickets (
    event_id, name, type, price, quantity, position, min_order, max_order, is_hidden, sales_starts_at, sales_ends_at
)
SELECT event_id, name, 'paid', price, quantity, position, 1, 10, is_hidden, now() - '1 day'::interval, now() + '29 days'
FROM (
    VALUES
    (1, 'Workshop', 20, 2, 1, false),
    (1, 'Standard', 50, 100, 2, false),
    (1, 'Sponsors', 30, 5, 3, true),
    (2, 'Standard', 40, 10, 1, false)
) AS ticket (event_id, name, price, quantity, position, is_hidden);

INSERT INTO discount_codes (event_id, code, type, value, used_for, is_active)
VALUES (1, 'EARLY', 'percent', 10, 'ticket', true), (1, 'PARTNER', 'percent', 100, 'event', true);

INSERT INTO access_codes (event_id, code, is_active) VALUES (1, 'FRIENDS', true);
INSERT INTO access_codes_tickets (access_code_id, ticket_id) VALUES (1, 3);

INSERT INTO roles (name, title_name) VALUES ('organizer', 'Organizer');
INSERT INTO users_events_roles (event_id, user_id, role_id) VALUES (1, 1, 1);
