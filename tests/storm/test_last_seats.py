"""Two hundred buyers for the last seats: exactly as many are sold as there are, and nobody is told sold out too early."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from oeventdb import Client, Error
from tests.procedures.selling.shop import EMAIL, Shop, broken, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from oeventdb.rows import Order

BUYERS = 200
CONNECTIONS = 40
PATIENCE = 60.0


@dataclass
class Rush:
    """Buyers who all come at once, over a few connections."""

    dsn: str
    outcomes: Counter[str] = field(default_factory=Counter)
    orders: list[Order] = field(default_factory=list)

    def run(self, buy: Callable[[Client, int], Order]) -> Counter[str]:
        """Let every buyer buy once; the states of the refused are counted, and the others as 'sold'."""
        buyers = iter(range(BUYERS))
        ready = threading.Barrier(CONNECTIONS)
        threads = [threading.Thread(target=self._till, args=(buy, buyers, ready)) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert sum(self.outcomes.values()) == BUYERS
        return self.outcomes

    def _till(self, buy: Callable[[Client, int], Order], buyers: Any, ready: threading.Barrier) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SET deadlock_timeout = '100ms'")
            client = Client(connection)
            ready.wait(PATIENCE)
            # next() of an iterator over a range is one step of the interpreter: no buyer comes twice
            for buyer in buyers:
                try:
                    self.orders.append(buy(client, buyer))
                    self.outcomes["sold"] += 1
                except Error as exc:
                    self.outcomes[exc.sqlstate] += 1
                except psycopg.Error as exc:
                    self.outcomes[str(exc.sqlstate)] += 1


@pytest.fixture
def rush(migrated: str) -> Rush:
    """Return two hundred buyers."""
    return Rush(migrated)


@pytest.fixture
def shop(db: psycopg.Connection) -> Shop:
    """Return the shop that they rush into."""
    return Shop(db)


def _buying(shop: Shop, *lines: dict[str, Any], **more: Any) -> Callable[[Client, int], Order]:
    return lambda client, _: client.place_order(event_id=shop.event, lines=lines, email=EMAIL, **more)


def test_fifty_seats(rush: Rush, shop: Shop) -> None:
    ticket = shop.ticket(quantity=50)
    assert rush.run(_buying(shop, line(ticket))) == {"sold": 50, "OE101": 150}
    assert shop.held(ticket) == 50
    assert broken(shop.connection) == []


def test_fifty_seats_for_couples(rush: Rush, shop: Shop) -> None:
    """Twenty-five couples; one seat of 51 is left."""
    ticket = shop.ticket(quantity=51)
    assert rush.run(_buying(shop, line(ticket, 2))) == {"sold": 25, "OE101": 175}
    assert shop.held(ticket) == 50


def test_couples_and_singles_leave_no_seat(rush: Rush, shop: Shop) -> None:
    """Whoever is refused two may not have been refused one: at the end all seats are sold."""
    ticket = shop.ticket(quantity=50)
    rush.run(
        lambda client, buyer: client.place_order(
            event_id=shop.event, lines=[line(ticket, 1 + buyer % 2)], email=EMAIL
        )
    )
    assert set(rush.outcomes) == {"sold", "OE101"}
    assert shop.held(ticket) == 50


def test_several_tickets_in_any_order(rush: Rush, shop: Shop) -> None:
    tickets = [shop.ticket(quantity=50) for _ in range(3)]

    def buy(client: Client, buyer: int) -> Order:
        first = buyer % 3
        lines = [line(ticket) for ticket in tickets[first:] + tickets[:first]]
        return client.place_order(event_id=shop.event, lines=lines if buyer % 2 else lines[::-1], email=EMAIL)

    assert rush.run(buy) == {"sold": 50, "OE101": 150}
    assert [shop.held(ticket) for ticket in tickets] == [50, 50, 50]


def test_several_tickets_of_which_one_is_scarce(rush: Rush, shop: Shop) -> None:
    """Orders that fail at the scarce one give back what they had of the other."""
    plenty, scarce = shop.ticket(quantity=60), shop.ticket(quantity=10)

    def buy(client: Client, buyer: int) -> Order:
        lines = [line(scarce), line(plenty)] if buyer % 4 == 0 else [line(plenty)]
        return client.place_order(event_id=shop.event, lines=lines, email=EMAIL)

    rush.run(buy)
    assert set(rush.outcomes) == {"sold", "OE101"}
    assert shop.held(plenty) == 60
    assert rush.outcomes["sold"] == 60


def test_the_last_uses_of_a_code(rush: Rush, shop: Shop) -> None:
    ticket = shop.ticket(quantity=500)
    code = shop.discount(ticket, tickets_number=50)
    assert rush.run(_buying(shop, line(ticket), discount_code=code)) == {"sold": 50, "OE203": 150}
    assert (shop.held(ticket), shop.uses(code)) == (50, 50)


def test_the_last_uses_of_a_code_and_the_last_seats(rush: Rush, shop: Shop) -> None:
    tickets = [shop.ticket(quantity=30), shop.ticket(quantity=40)]
    code, door = shop.discount(*tickets, tickets_number=45), shop.access(*tickets, tickets_number=45)

    def buy(client: Client, buyer: int) -> Order:
        codes = {"discount_code": code} if buyer % 2 else {"access_code": door}
        lines = [line(ticket) for ticket in tickets[:: 1 if buyer % 3 else -1]]
        return client.place_order(event_id=shop.event, lines=lines, email=EMAIL, **codes)  # type: ignore[arg-type]

    rush.run(buy)
    assert set(rush.outcomes) <= {"sold", "OE101", "OE203", "OE107"}
    assert shop.held(tickets[0]) == rush.outcomes["sold"] == 30
    assert shop.uses(code) + shop.uses(door, "access_codes") == 60
    assert broken(shop.connection) == []


def test_a_seat_that_comes_free_is_sold(rush: Rush, shop: Shop) -> None:
    """Every fourth buyer cancels at once: while anyone still wants the seat, it is sold again."""
    ticket = shop.ticket(quantity=10)
    cancelled: Counter[str] = Counter()

    def buy(client: Client, buyer: int) -> Order:
        order = client.place_order(event_id=shop.event, lines=[line(ticket)], email=EMAIL)
        if buyer % 4 == 0:
            client.cancel_order(order_identifier=order.identifier)
            cancelled["orders"] += 1
        return order

    rush.run(buy)
    assert set(rush.outcomes) == {"sold", "OE101"}
    assert shop.held(ticket) == rush.outcomes["sold"] - cancelled["orders"]
    assert broken(shop.connection) == []


def test_orders_expire_while_others_buy(rush: Rush, shop: Shop) -> None:
    tickets = [shop.ticket(quantity=20) for _ in range(2)]
    code = shop.discount(*tickets, tickets_number=30)

    def buy(client: Client, buyer: int) -> Order:
        client.expire_orders(batch=1 + buyer % 7)
        return client.place_order(
            event_id=shop.event,
            lines=[line(ticket) for ticket in tickets[:: 1 if buyer % 2 else -1]],
            email=EMAIL,
            hold=timedelta(milliseconds=1),
            discount_code=code if buyer % 3 else None,
        )

    rush.run(buy)
    assert set(rush.outcomes) <= {"sold", "OE101", "OE203"}
    while shop.client.expire_orders():
        pass
    assert [shop.held(ticket) for ticket in tickets] == [0, 0]
    assert shop.uses(code) == 0
    assert broken(shop.connection) == []
