-- What place_order is measured against, on tables of the same columns without any rule, foreign key or index but the primary keys.
CREATE SCHEMA rival;

CREATE TABLE rival.orders (LIKE public.orders INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (id));

CREATE TABLE rival.orders_tickets (LIKE public.orders_tickets INCLUDING DEFAULTS, PRIMARY KEY (order_id, ticket_id));

CREATE TABLE rival.ticket_holders (LIKE public.ticket_holders INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (id));

CREATE TABLE rival.order_history (LIKE oeventdb_internal.order_history INCLUDING DEFAULTS);

CREATE TABLE rival.tickets (id bigint PRIMARY KEY, sold integer NOT NULL, quantity integer NOT NULL);

CREATE SEQUENCE rival.admission_no;

-- The limit: exactly the rows of an order of one seat, in one statement.
CREATE FUNCTION rival.bare(event_id bigint, ticket_id bigint, email text) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    v_id bigint;
BEGIN
    WITH placed AS (
        INSERT INTO rival.orders (identifier, event_id, email, amount, currency, status, created_at, expires_at)
        VALUES (
            gen_random_uuid()::text, bare.event_id, bare.email, 5, 'USD', 'pending', now(), now() + '15 minutes'::interval
        ) RETURNING id
    ), lines AS (
        INSERT INTO rival.orders_tickets (order_id, ticket_id, quantity, price, discount)
        SELECT p.id, bare.ticket_id, 1, 5, 0 FROM placed AS p
    ), holders AS (
        INSERT INTO rival.ticket_holders (
            order_id, event_id, ticket_id, admission_no, firstname, lastname, email, is_checked_in
        )
        SELECT p.id, bare.event_id, bare.ticket_id, nextval('rival.admission_no'), '', '', bare.email, false
        FROM placed AS p
    ), history AS (
        INSERT INTO rival.order_history (order_id, to_status, changed_by) SELECT p.id, 'pending', session_user FROM placed AS p
    )
    SELECT p.id INTO v_id FROM placed AS p;
    RETURN v_id;
END
$$;

-- The same work behind one counter row that every buyer locks.
CREATE FUNCTION rival.locked_counter(event_id bigint, ticket_id bigint, email text) RETURNS bigint
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE rival.tickets AS t SET sold = t.sold + 1 WHERE t.id = locked_counter.ticket_id AND t.sold < t.quantity;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'sold out';
    END IF;
    RETURN rival.bare(locked_counter.event_id, locked_counter.ticket_id, locked_counter.email);
END
$$;

-- Count, then insert, behind a lock of the ticket.
CREATE FUNCTION rival.count_then_insert(event_id bigint, ticket_id bigint, email text) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    v_quantity integer;
BEGIN
    SELECT t.quantity INTO v_quantity FROM rival.tickets AS t WHERE t.id = count_then_insert.ticket_id FOR UPDATE;
    IF (SELECT count(*) FROM rival.ticket_holders AS h WHERE h.ticket_id = count_then_insert.ticket_id) >= v_quantity THEN
        RAISE EXCEPTION 'sold out';
    END IF;
    RETURN rival.bare(count_then_insert.event_id, count_then_insert.ticket_id, count_then_insert.email);
END
$$;
