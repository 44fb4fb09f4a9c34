"""What the storm does to a shop: everything at once, in every isolation level, and remembers what it was told."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from oeventdb import Client, Error, translated
from tests.procedures.selling.shop import EMAIL, Shop, line
from tests.procedures.sessions import READ_COMMITTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from oeventdb.rows import Order

RECONNECT_SECONDS = 30.0
RAW_MAY_MEET = ("40P01", "55P03")
"""What a statement past the functions may meet, and is told to try again; no function meets it."""


@dataclass
class Log:
    """What the database has confirmed, and what went wrong that may not."""

    placed: dict[str, str | None] = field(default_factory=dict)
    """Orders that were confirmed, by identifier, with their idempotency keys."""

    finished: dict[str, str] = field(default_factory=dict)
    """The last state of orders that can't leave it any more."""

    in_doubt: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Requests whose answer was lost, by idempotency key."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often an action ended so: 'done', or an SQLSTATE."""

    faults: list[str] = field(default_factory=list)
    """What should never have happened."""


@dataclass(frozen=True)
class Goods:
    """What is sold: the ids of tickets, and codes with a limit."""

    event: int
    tickets: tuple[int, ...]
    hidden: int
    discount_code: str
    access_code: str

    @classmethod
    def of(cls, connection: psycopg.Connection[Any]) -> Goods:
        """A few tickets that sell out soon, among them a free and a hidden one."""
        shop = Shop(connection)
        small, large = shop.ticket(quantity=12, price=9.99), shop.ticket(quantity=40, price=20)
        free = shop.ticket(quantity=15, type="free", price=0)
        donation = shop.ticket(quantity=20, type="donation", price=None)
        hidden = shop.ticket(quantity=20, price=5, is_hidden=True)
        return cls(
            shop.event,
            (small, large, free, donation, hidden),
            hidden,
            shop.discount(small, large, tickets_number=25, value=15, max_quantity=25),
            shop.access(hidden, tickets_number=15),
        )


class Sailor(threading.Thread):
    """One connection that does one thing after the other, each a transaction of its own."""

    def __init__(
        self, dsn: str, goods: Goods, log: Log, level: str, seed: int, over: threading.Event
    ) -> None:
        super().__init__(name=f"sailor {seed}")
        self._dsn, self._goods, self._log, self._level, self._over = dsn, goods, log, level, over
        self._random = random.Random(seed)
        self._keys = (f"{seed}/{number}" for number in range(10**9))
        self._connection: psycopg.Connection[Any] | None = None
        self._actions: list[tuple[int, bool, Callable[[], None]]] = [
            (30, True, self.place),
            (8, True, self.complete),
            (8, True, self.cancel),
            (4, True, self.expire),
            (5, True, self.check_in),
            (2, True, self.undo_check_in),
            (3, True, self.add),
            (3, True, self.remove),
            (3, False, self.raw_insert),
            (3, False, self.raw_delete),
            (2, False, self.raw_move),
            (2, False, self.raw_quantity),
            (2, False, self.raw_status),
            (1, False, self.raw_limit),
        ]

    def run(self) -> None:
        """Sail until it is over."""
        weights = [weight for weight, _, _ in self._actions]
        try:
            while not self._over.is_set():
                ((_, is_api, action),) = self._random.choices(self._actions, weights)
                self._do(action, is_api=is_api)
        except Exception as exc:  # noqa: BLE001
            self._log.faults.append(f"{self.name} sank: {exc!r}")
        finally:
            if self._connection is not None:
                self._connection.close()

    def _do(self, action: Callable[[], None], *, is_api: bool) -> None:
        name = action.__name__
        try:
            action()
            state = "done"
        except Error as exc:
            state = exc.sqlstate
        except psycopg.Error as exc:
            state = exc.sqlstate or "lost"
            if self.connection_lost(exc):
                state = "lost"
            elif (state == "40001" and self._level != READ_COMMITTED) or (
                state in RAW_MAY_MEET and not is_api
            ):
                pass
            else:
                self._log.faults.append(f"{name} in {self._level}: {state} {exc}")
        self._log.outcomes[name, state] += 1

    def connection_lost(self, exc: psycopg.Error) -> bool:
        """Tell whether the connection is gone, and forget it then."""
        if self._connection is None:
            return isinstance(exc, psycopg.OperationalError)
        if not self._connection.broken and not self._connection.closed:
            return False
        self._connection.close()
        self._connection = None
        return True

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The connection, made again once the server is back."""
        deadline = time.monotonic() + RECONNECT_SECONDS
        while self._connection is None:
            try:
                self._connection = psycopg.connect(self._dsn, autocommit=True)
                self._connection.execute(
                    f"SET default_transaction_isolation = '{self._level.lower()}'".encode()
                )
            except psycopg.OperationalError:
                self._connection = None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        return self._connection

    @property
    def client(self) -> Client:
        """The client over the connection."""
        return Client(self.connection)

    def _one(self, query: str, *parameters: Any) -> Any:
        row = self.connection.execute(query.encode(), parameters).fetchone()
        return None if row is None else row[0]

    def _order(self) -> str | None:
        """Some order."""
        orders = list(self._log.placed)
        # mostly a young one: the old are finished
        return self._random.choice(orders[-60:]) if orders else None

    def _holder(self) -> int | None:
        ticket = self._random.choice(self._goods.tickets)
        found = self._one(
            "SELECT id FROM ticket_holders WHERE ticket_id = %s OFFSET %s LIMIT 1",
            ticket,
            self._random.randrange(20),
        )
        return None if found is None else int(found)

    def place(self) -> None:
        """An order of a few lines in any order, with or without codes and key."""
        roll = self._random.random
        tickets = self._random.sample(self._goods.tickets, self._random.choice([1, 1, 1, 2, 3]))
        donation = self._goods.tickets[3]
        request: dict[str, Any] = {
            "event_id": self._goods.event,
            "email": EMAIL,
            "lines": [
                line(
                    ticket,
                    self._random.choice([1, 1, 1, 2, 3]),
                    **({"price": 1.25} if ticket == donation else {}),
                )
                for ticket in tickets
            ],
            "hold": timedelta(milliseconds=self._random.choice([20, 200, 60_000])),
        }
        if self._goods.hidden in tickets:
            request["access_code"] = self._goods.access_code
        if roll() < 0.3 and {*tickets} & {*self._goods.tickets[:2]}:
            request["discount_code"] = self._goods.discount_code
        key = next(self._keys) if roll() < 0.5 else None
        if key is not None:
            request["idempotency_key"] = key
            self._log.in_doubt[key] = request
        order = self.client.place_order(**request)
        self._log.placed[order.identifier] = key
        if key is not None:
            del self._log.in_doubt[key]

    def complete(self) -> None:
        """A payment."""
        self._finish(lambda order: self.client.complete_order(order_identifier=order, payment_reference="p"))

    def cancel(self) -> None:
        """A buyer who thought better of it."""
        self._finish(lambda order: self.client.cancel_order(order_identifier=order, note="n"))

    def _finish(self, act: Callable[[str], Order]) -> None:
        order = self._order()
        if order is not None:
            self._log.finished[order] = str(act(order).status)

    def expire(self) -> None:
        """A worker that frees what is overdue."""
        self.client.expire_orders(batch=self._random.choice([1, 5, 1000]))

    def check_in(self) -> None:
        """A door."""
        holder = self._holder()
        if holder is not None:
            self.client.check_in(ticket_holder_id=holder)

    def undo_check_in(self) -> None:
        """A door that was wrong."""
        holder = self._holder()
        if holder is not None:
            self.client.undo_check_in(ticket_holder_id=holder)

    def add(self) -> None:
        """A guest without an order."""
        ticket = self._random.choice(self._goods.tickets)
        self.client.add_ticket_holder(ticket_id=ticket, firstname="Ada", lastname="Lovelace")

    def remove(self) -> None:
        """A guest who stays away."""
        holder = self._holder()
        if holder is not None:
            self.client.remove_ticket_holder(ticket_holder_id=holder)

    def _raw(self, statement: str, *parameters: Any) -> None:
        with translated():
            self.connection.execute(statement.encode(), parameters)

    def raw_insert(self) -> None:
        """A holder written by the legacy application, with an order or without."""
        order = self._order() if self._random.random() < 0.6 else None
        self._raw(
            "INSERT INTO ticket_holders (firstname, lastname, ticket_id, order_id)"
            " VALUES ('a', 'b', %s, (SELECT id FROM orders WHERE identifier = %s))",
            self._random.choice(self._goods.tickets),
            order,
        )

    def raw_delete(self) -> None:
        """A holder deleted by the legacy application."""
        self._raw("DELETE FROM ticket_holders WHERE id = %s", self._holder())

    def raw_move(self) -> None:
        """A holder who changes the ticket."""
        self._raw(
            "UPDATE ticket_holders SET ticket_id = %s WHERE id = %s",
            self._random.choice(self._goods.tickets),
            self._holder(),
        )

    def raw_quantity(self) -> None:
        """A ticket that gets more admissions, or fewer."""
        self._raw(
            "UPDATE tickets SET quantity = greatest(quantity + %s, 5) WHERE id = %s",
            self._random.choice([-6, -3, -1, 1, 2, 5]),
            self._random.choice(self._goods.tickets),
        )

    def raw_status(self) -> None:
        """The expiry job of the legacy application, which writes the status only."""
        self._raw(
            "UPDATE orders SET status = 'expired' WHERE identifier = %s AND status = 'pending'", self._order()
        )

    def raw_limit(self) -> None:
        """A discount code that loses its limit, or gets one; only here is it possible under READ COMMITTED alone."""
        limit = self._random.choice([None, 25, 40]) if self._level == READ_COMMITTED else None
        self._raw(
            "UPDATE discount_codes SET tickets_number = %s WHERE code = %s", limit, self._goods.discount_code
        )
