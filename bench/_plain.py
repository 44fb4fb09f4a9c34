"""A large legacy database, and the plain way to do what each migration does: UPDATE and ALTER TABLE."""

from __future__ import annotations

FILL = (
    # the foreign keys would be checked for each row
    "SET session_replication_role = replica",
    """
    INSERT INTO users (_email, _password) SELECT g || '@example.org', 'x' FROM generate_series(1, 1 + %(rows)s::int / 7) AS g
    """,
    """
    INSERT INTO events (name, starts_at, ends_at, timezone, state)
    SELECT 'Event ' || g, now(), now() + interval '1 day', 'UTC', 'published'
    FROM generate_series(1, %(rows)s::int / 1000) AS g
    """,
    """
    INSERT INTO tickets (name, type, quantity, price, sales_starts_at, sales_ends_at, event_id)
    SELECT 'Ticket ' || g, 'paid', CASE WHEN g = 1 THEN %(rows)s::int / 25 - 1 ELSE 86 + g %% 20 END, 10,
        now() - interval '1 day', now() + CASE WHEN g %% 5 = 0 THEN 1 ELSE -1 END * interval '1 hour',
        1 + g %% (%(rows)s::int / 1000)
    FROM generate_series(1, %(rows)s::int / 250) AS g
    """,
    """
    INSERT INTO orders (identifier, status, event_id)
    SELECT 'order ' || g, (ARRAY['completed', 'completed', 'completed', 'pending', 'cancelled'])[1 + g %% 5],
        1 + g %% (%(rows)s::int / 1000)
    FROM generate_series(1, %(rows)s::int * 2 / 15) AS g
    """,
    # every tenth holder has the one big ticket
    """
    INSERT INTO ticket_holders (firstname, lastname, email, ticket_id, event_id, order_id)
    SELECT 'First ' || g, 'Last ' || g, g || '@example.org', t.id,
        CASE WHEN g %% 3 = 0 THEN NULL ELSE 1 + t.id %% (%(rows)s::int / 1000) END, 1 + g / 3 %% (%(rows)s::int * 2 / 15)
    FROM generate_series(1, %(rows)s::int * 2 / 5) AS g
    CROSS JOIN LATERAL (SELECT CASE WHEN g %% 10 = 0 THEN 1 ELSE 2 + g %% (%(rows)s::int / 250 - 1) END AS id) AS t
    """,
    """
    INSERT INTO feedback (rating, comment, event_id, user_id)
    SELECT (ARRAY['5', '5', '5', '5', '4', '4', '4', '4.5', '4.5', '3', '3', '3.5', '2', '2.5', '1', '1',
            '5.0', '4.0', '4.2', 'great!'])[1 + (hashint4(g) & 2147483647) %% 20],
        'I liked it, and so did everybody whom I met.', 1 + g %% (%(rows)s::int / 1000), 1 + g / 7
    FROM generate_series(1, %(rows)s::int) AS g
    """,
    """
    INSERT INTO discount_codes (code, type, value, used_for, event_id, tickets, tickets_number)
    SELECT 'code ' || g %% 50, 'percent', 10, 'ticket', 1 + g %% (%(rows)s::int / 1000), g || ', ' || g + %(rows)s::int / 1000,
        CASE WHEN g %% 2 = 0 THEN 100 END
    FROM generate_series(1, %(rows)s::int / 250) AS g
    """,
    # every second order used a code, that of the ticket of its first holder
    """
    UPDATE orders AS o SET discount_code_id = h.ticket_id
    FROM ticket_holders AS h WHERE h.order_id = o.id AND h.id %% 3 = 0 AND o.id %% 2 = 0 AND h.ticket_id > 1
    """,
    "VACUUM ANALYZE",
    "SET session_replication_role = origin",
)

# Each locks its tables first: without, ALTER TABLE and the clients deadlock.
WAYS: dict[str, tuple[str, ...]] = {
    "0003": (
        "LOCK TABLE feedback IN ACCESS EXCLUSIVE MODE",
        """
        CREATE FUNCTION public.usual_rating(rating text) RETURNS numeric LANGUAGE plpgsql AS $$
        BEGIN
            IF rating::numeric BETWEEN 0 AND 5 THEN
                RETURN round(rating::numeric * 2) / 2;
            END IF;
            RETURN 0;
        EXCEPTION WHEN OTHERS THEN
            RETURN 0;
        END
        $$
        """,
        "UPDATE feedback SET rating = usual_rating(rating)",
        """
        ALTER TABLE feedback ALTER COLUMN rating TYPE numeric USING rating::numeric,
            ADD CHECK (rating >= 0 AND rating <= 5 AND rating * 2 = trunc(rating * 2))
        """,
    ),
    "0004": (
        "LOCK TABLE feedback IN ACCESS EXCLUSIVE MODE",
        "ALTER TABLE feedback ADD COLUMN session_id bigint, ADD COLUMN is_superseded boolean NOT NULL DEFAULT false",
        """
        UPDATE feedback AS f SET is_superseded = true FROM (
            SELECT id, row_number() OVER (PARTITION BY user_id, event_id ORDER BY id DESC) AS place
            FROM feedback WHERE user_id IS NOT NULL
        ) AS s WHERE s.id = f.id AND s.place > 1
        """,
        "CREATE UNIQUE INDEX ON feedback (user_id, event_id) WHERE session_id IS NULL AND NOT is_superseded",
        "CREATE UNIQUE INDEX ON feedback (user_id, session_id) WHERE session_id IS NOT NULL AND NOT is_superseded",
        "CREATE INDEX ON feedback (event_id) INCLUDE (rating) WHERE session_id IS NULL AND NOT is_superseded",
    ),
    "0005": (
        "LOCK TABLE tickets, orders, ticket_holders IN ACCESS EXCLUSIVE MODE",
        "CREATE UNIQUE INDEX ON tickets (event_id, id)",
        "CREATE INDEX ON ticket_holders (order_id)",
        "ALTER TABLE ticket_holders ADD COLUMN admission_no integer",
        """
        CREATE TEMPORARY TABLE numbered AS
        SELECT h.id, t.event_id, t.quantity,
            row_number() OVER (PARTITION BY h.ticket_id ORDER BY o.status = 'cancelled', h.id) AS place
        FROM ticket_holders AS h JOIN tickets AS t ON t.id = h.ticket_id LEFT JOIN orders AS o ON o.id = h.order_id
        """,
        """
        INSERT INTO oeventdb_internal.journal (migration, table_name, key, old_row, reason)
        SELECT 'plain', 'ticket_holders', h.id, to_jsonb(h), 'removed'
        FROM numbered AS n JOIN ticket_holders AS h USING (id) WHERE n.place > n.quantity
        """,
        "DELETE FROM ticket_holders AS h USING numbered AS n WHERE n.id = h.id AND n.place > n.quantity",
        """
        UPDATE ticket_holders AS h SET admission_no = n.place, event_id = n.event_id FROM numbered AS n WHERE n.id = h.id
        """,
        """
        CREATE TABLE admissions (
            ticket_id bigint, event_id bigint, admission_no integer, PRIMARY KEY (ticket_id, event_id, admission_no)
        )
        """,
        """
        INSERT INTO admissions SELECT id, event_id, n FROM tickets CROSS JOIN LATERAL generate_series(1, quantity) AS n
        """,
        """
        ALTER TABLE ticket_holders
            ADD CONSTRAINT ticket_event UNIQUE (ticket_id, event_id, admission_no),
            ADD FOREIGN KEY (ticket_id, event_id, admission_no) REFERENCES admissions
        """,
    ),
    "0006": (
        "LOCK TABLE tickets, discount_codes, orders_tickets IN ACCESS EXCLUSIVE MODE",
        "ALTER TABLE tickets ADD COLUMN discount_code_id bigint REFERENCES discount_codes ON DELETE CASCADE",
        "CREATE INDEX ON tickets (discount_code_id)",
        "CREATE INDEX ON orders_tickets (ticket_id)",
        """
        UPDATE tickets AS t SET discount_code_id = c.id FROM discount_codes AS c
        WHERE c.event_id = t.event_id AND t.id::text = ANY (string_to_array(replace(c.tickets, ' ', ''), ','))
        """,
        "ALTER TABLE discount_codes ADD COLUMN is_duplicate boolean NOT NULL DEFAULT false",
        """
        UPDATE discount_codes AS c SET is_duplicate = true FROM (
            SELECT id, row_number() OVER (PARTITION BY event_id, lower(code) ORDER BY id) AS place FROM discount_codes
        ) AS s WHERE s.id = c.id AND s.place > 1
        """,
        "CREATE UNIQUE INDEX ON discount_codes (event_id, lower(code)) WHERE NOT is_duplicate",
    ),
    "0009": (
        "LOCK TABLE orders, discount_codes IN ACCESS EXCLUSIVE MODE",
        "ALTER TABLE orders ADD COLUMN discount_seats integer",
        "ALTER TABLE discount_codes ADD COLUMN used_number integer NOT NULL DEFAULT 0",
        "CREATE INDEX ON orders (discount_code_id) WHERE discount_code_id IS NOT NULL",
        """
        UPDATE orders AS o SET discount_seats = s.seats FROM (
            SELECT h.order_id, count(*) AS seats FROM ticket_holders AS h
            JOIN orders AS p ON p.id = h.order_id AND p.status <> 'cancelled'
            JOIN tickets AS t ON t.id = h.ticket_id AND t.discount_code_id = p.discount_code_id
            GROUP BY h.order_id
        ) AS s WHERE s.order_id = o.id
        """,
        """
        UPDATE discount_codes AS c SET used_number = least(s.seats, c.tickets_number)
        FROM (SELECT discount_code_id, sum(discount_seats) AS seats FROM orders GROUP BY discount_code_id) AS s
        WHERE s.discount_code_id = c.id AND c.tickets_number IS NOT NULL
        """,
    ),
    "0010": ("ALTER TABLE discount_codes DROP COLUMN tickets",),
}
