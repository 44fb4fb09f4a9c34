"""Clients of the legacy application at work: they write what it writes, and remember what was acknowledged.

Each client has events, tickets, holders, orders, feedback and codes of its own (those whose id
leaves its number when divided by how many clients there are), so that the last acknowledged write
is known for each row.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from oeventdb import schema

CLIENTS = 6

SEED = """
SET session_replication_role = replica;
INSERT INTO users (id, _email, _password)
SELECT g, 'user' || g || '@example.org', 'x' FROM generate_series(1, 400) AS g;
INSERT INTO events (id, name, starts_at, ends_at, timezone, state)
SELECT g, 'Event ' || g, now(), now() + interval '1 day', 'UTC', 'published' FROM generate_series(1, 60) AS g;
INSERT INTO tickets (id, name, type, quantity, price, sales_starts_at, sales_ends_at, event_id)
SELECT g, 'Ticket ' || g, 'paid', (ARRAY[0, 1, 5, 20, 40, NULL])[1 + g / 6 %% 6], 10,
    now() - interval '1 day', now() + interval '1 day', 1 + (g - 1) %% 60
FROM generate_series(1, 180) AS g;
INSERT INTO orders (id, identifier, status, event_id)
SELECT g, 'order ' || g, (ARRAY['completed', 'pending', 'placed', 'cancelled', 'expired', NULL])[1 + g / 6 %% 6], 1 + (g - 1) %% 60
FROM generate_series(1, 600) AS g;
INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id, order_id)
SELECT g, 'First', 'Last', 1 + (g - 1) %% 180,
    CASE WHEN g %% 3 = 0 THEN NULL ELSE 1 + ((g - 1) %% 180) %% 60 END,
    CASE WHEN g %% 7 = 0 THEN NULL ELSE 1 + (g - 1) %% 600 END
FROM generate_series(1, %(rows)s::int) AS g;
INSERT INTO feedback (id, rating, comment, user_id, event_id)
SELECT g, (ARRAY['5', '4.5', '4.0', '3', 'great!', '', ' 4 ', '2.25', '9'])[1 + g %% 9], 'as it was',
    1 + g %% 400, 1 + g %% 60
FROM generate_series(1, %(rows)s::int) AS g;
INSERT INTO discount_codes (id, code, type, value, used_for, event_id, tickets, tickets_number)
SELECT g, 'code ' || g %% 40, 'percent', CASE WHEN g %% 10 = 0 THEN 150 ELSE 10 END, 'ticket', 1 + (g - 1) %% 60,
    (1 + (g - 1) %% 60) || ', ' || (61 + (g - 1) %% 60) || ',nonsense', (ARRAY[3, 100, NULL])[1 + g %% 3]
FROM generate_series(1, 200) AS g;
UPDATE orders SET discount_code_id = 1 + (id - 1) %% 60 WHERE id %% 3 <> 0;
SELECT setval(pg_get_serial_sequence(t, 'id'), 1000000) FROM unnest(
    ARRAY['events', 'tickets', 'orders', 'ticket_holders', 'feedback', 'discount_codes']
) AS t;
"""

RULES = ("OE", "23")
"""What a client may meet: a rule's own error, or a constraint."""


def seed(connection: psycopg.Connection, rows: int) -> None:
    """Fill the legacy tables: so many holders and feedbacks, and 200 codes of which many read the same."""
    psycopg.ClientCursor(connection).execute(SEED, {"rows": rows})


def migrate_beside(
    dsn: str, work: Callable[[str, int, list[str]], None], *, clients: int, to: str
) -> list[str]:
    """Migrate while clients do their work, and wait for its end; return how each of its pieces ended.

    `work` gets the DSN, the number of the client and the list for what it says.
    """
    ended: list[str] = []
    threads = [threading.Thread(target=work, args=[dsn, client, ended]) for client in range(clients)]
    for thread in threads:
        thread.start()
    schema.migrate(dsn, to=to)
    for thread in threads:
        thread.join()
    return ended


@dataclass
class Client:
    """One client; `failures` are the statements that failed though no rule was broken."""

    dsn: str
    number: int
    rows: int
    names_ticket_texts: threading.Event
    stop: threading.Event
    holders: set[int] = field(default_factory=set)
    feedback: dict[int, str] = field(default_factory=dict)
    quantities: dict[int, int | None] = field(default_factory=dict)
    statuses: dict[int, str] = field(default_factory=dict)
    codes: dict[int, tuple[int, int]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    done: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.number)
        self.holders.update(self._own(self.rows))

    def run(self) -> None:
        """Write until told to stop."""
        with psycopg.connect(self.dsn, autocommit=True, prepare_threshold=None) as connection:
            self._connection = connection
            while not self.stop.is_set():
                action = self.random.choice(self._ACTIONS)
                try:
                    action(self)
                except psycopg.Error as error:
                    self._failed(action.__name__, error)
                self.done += 1
                time.sleep(0.002)

    def _failed(self, action: str, error: psycopg.Error) -> None:
        state = error.sqlstate or "none"
        # a word is no number, and the column is one from the swap on
        expected = state.startswith(RULES) or (state == "22P02" and "rate" in action)
        # clients may run into each other without any migration
        if expected or state == "40P01":
            self.refused[state] = self.refused.get(state, 0) + 1
        else:
            self.failures.append(f"{action}: {state} {error}")

    def _own(self, upto: int) -> range:
        return range(self.number or CLIENTS, upto + 1, CLIENTS)

    def _one(self, statement: str, *arguments: Any) -> Any:
        row = self._connection.execute(statement.encode(), arguments).fetchone()
        return row[0] if row else None

    def _ticket(self) -> int:
        return self.random.choice(self._own(180))

    def add_holder(self) -> None:
        """A holder is added as the legacy application does it: without admission or event."""
        order = self.random.choice([None, self.random.choice(self._own(600))])
        holder = self._one(
            "INSERT INTO ticket_holders (firstname, lastname, ticket_id, order_id) VALUES ('New', 'One', %s, %s) RETURNING id",
            self._ticket(),
            order,
        )
        self.holders.add(holder)

    def delete_holder(self) -> None:
        """A holder is deleted."""
        holder = self.random.choice(list(self.holders))
        self._one("DELETE FROM ticket_holders WHERE id = %s RETURNING id", holder)
        self.holders.discard(holder)

    def move_holder(self) -> None:
        """A holder changes over to another ticket."""
        holder, ticket = self.random.choice(list(self.holders)), self._ticket()
        self._one(
            "UPDATE ticket_holders SET ticket_id = %s, event_id = (SELECT event_id FROM tickets WHERE id = %s)"
            " WHERE id = %s RETURNING id",
            ticket,
            ticket,
            holder,
        )

    def check_in(self) -> None:
        """A holder comes in."""
        holder = self.random.choice(list(self.holders))
        self._one("UPDATE ticket_holders SET is_checked_in = true WHERE id = %s RETURNING id", holder)

    def change_order(self) -> None:
        """An order is paid, cancelled, expired or taken up again."""
        order = self.random.choice(self._own(600))
        status = self.random.choice(["completed", "pending", "cancelled", "expired"])
        if self._one("UPDATE orders SET status = %s WHERE id = %s RETURNING id", status, order):
            self.statuses[order] = status

    def change_quantity(self) -> None:
        """A ticket gets another quantity, or none."""
        ticket, quantity = self._ticket(), self.random.choice([0, 1, 10, 30, 60, None])
        if self._one("UPDATE tickets SET quantity = %s WHERE id = %s RETURNING id", quantity, ticket):
            self.quantities[ticket] = quantity

    def sell_and_withdraw_a_ticket(self) -> None:
        """A ticket is made and sold in one transaction, and half of them are deleted again."""
        event = self.random.choice(self._own(60))
        with self._connection.transaction():
            ticket = self._one(
                "INSERT INTO tickets (name, type, quantity, price, sales_starts_at, sales_ends_at, event_id)"
                " VALUES (%s, 'free', 5, 0, now(), now(), %s) RETURNING id",
                str(self.random.random()),
                event,
            )
            holder = self._one(
                "INSERT INTO ticket_holders (firstname, lastname, ticket_id, event_id) VALUES ('New', 'One', %s, %s) RETURNING id",
                ticket,
                event,
            )
        if self.random.random() < 0.5:
            # its holder goes with it, or, once the rule is on, keeps it
            self.holders.add(holder)
            self._one("DELETE FROM tickets WHERE id = %s RETURNING id", ticket)
            self.holders.discard(holder)
        else:
            self.holders.add(holder)

    def move_ticket(self) -> None:
        """A ticket is moved to another event."""
        self._one(
            "UPDATE tickets SET event_id = %s WHERE id = %s RETURNING id",
            self.random.choice(self._own(60)),
            self._ticket(),
        )

    def make_and_delete_an_event(self) -> None:
        """An event with a ticket comes and goes."""
        with self._connection.transaction():
            event = self._one(
                "INSERT INTO events (name, starts_at, ends_at, timezone) VALUES ('Short', now(), now(), 'UTC') RETURNING id"
            )
            self._one(
                "INSERT INTO tickets (name, type, quantity, sales_starts_at, sales_ends_at, event_id)"
                " VALUES ('Short', 'free', 5, now(), now(), %s) RETURNING id",
                event,
            )
        self._one("DELETE FROM events WHERE id = %s RETURNING id", event)

    def rate(self) -> None:
        """New feedback is given, with a readable rating or not."""
        rating = self.random.choice(["5", "4.5", " 3.0", "2.2", "1e0", "11", "great!"])
        feedback = self._one("INSERT INTO feedback (rating, comment) VALUES (%s, 'new') RETURNING id", rating)
        self.feedback[feedback] = rating

    def rate_again(self) -> None:
        """Feedback gets another rating."""
        rating = self.random.choice(["5", "4.5", " 3.0", "2.2", "1e0", "11", "great!"])
        feedback = self.random.choice(self._own(self.rows))
        if self._one("UPDATE feedback SET rating = %s WHERE id = %s RETURNING id", rating, feedback):
            self.feedback[feedback] = rating

    def comment(self) -> None:
        """Feedback keeps its rating and gets another comment."""
        feedback = self.random.choice(self._own(self.rows))
        self._one("UPDATE feedback SET comment = 'changed' WHERE id = %s RETURNING id", feedback)

    def make_code(self) -> None:
        """A code is made with a text of ticket ids, some worth more than the ticket."""
        if self.names_ticket_texts.is_set():
            tickets = self._ticket(), self._ticket()
            code = self._one(
                "INSERT INTO discount_codes (code, type, value, used_for, event_id, tickets)"
                " VALUES (%s, 'amount', %s, 'ticket', %s, %s) RETURNING id",
                f"code {self.random.randrange(50)}",
                self.random.choice([3, 30]),
                self.random.choice(self._own(60)),
                "{},{}".format(*tickets),
            )
            self.codes[code] = tickets

    def change_code(self) -> None:
        """A code gets another text of ticket ids."""
        if self.names_ticket_texts.is_set():
            self._one(
                "UPDATE discount_codes SET tickets = %s WHERE id = %s RETURNING id",
                f"{self._ticket()}",
                self.random.choice(self._own(200)),
            )

    def delete_code(self) -> None:
        """A code that was made here is deleted; tickets that it covers and nobody holds go with it."""
        if self.codes:
            code = self.random.choice(list(self.codes))
            if self._one("DELETE FROM discount_codes WHERE id = %s RETURNING id", code):
                for ticket in self.codes.pop(code):
                    if self._one("SELECT id FROM tickets WHERE id = %s", ticket) is None:
                        self.quantities.pop(ticket, None)

    _ACTIONS = (
        *(3 * (add_holder,)),
        delete_holder,
        move_holder,
        check_in,
        change_order,
        change_order,
        change_quantity,
        sell_and_withdraw_a_ticket,
        move_ticket,
        make_and_delete_an_event,
        rate,
        rate_again,
        comment,
        make_code,
        change_code,
        delete_code,
    )
