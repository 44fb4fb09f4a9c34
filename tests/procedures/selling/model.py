"""A small model of the shop: what is held, used and refused, in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

DEAD = ("cancelled", "expired", "deleted")


@dataclass
class Ticket:
    """A ticket of the event; its admissions are only counted."""

    id: int
    quantity: int
    price: Decimal
    is_hidden: bool = False
    min_order: int = 1
    max_order: int = 4


@dataclass
class Code:
    """A discount or access code over some tickets; without limit nobody counts."""

    text: str
    covers: frozenset[int]
    percent: int = 0
    limit: int | None = None


@dataclass(eq=False)
class Holder:
    """A person, who holds an admission unless the order is dead."""

    id: int
    ticket: int
    order: Order | None = None
    is_checked_in: bool = False


@dataclass(eq=False)
class Order:
    """An order; the seats are those that used each code when it was placed, the lines how many of which ticket were sold."""

    id: int
    identifier: str
    status: str | None
    amount: Decimal
    lines: dict[int, int]
    discount_seats: int = 0
    access_seats: int = 0
    overdue: int | None = None

    @property
    def is_live(self) -> bool:
        """Whether it holds what it bought."""
        return self.status not in DEAD


@dataclass
class Model:
    """The whole shop."""

    tickets: dict[int, Ticket]
    discount: Code
    access: Code
    orders: list[Order] = field(default_factory=list)
    holders: list[Holder] = field(default_factory=list)
    keys: dict[str, tuple[Any, Order]] = field(default_factory=dict)

    def held(self, ticket: int) -> int:
        """How many admissions of the ticket are held."""
        return sum(h.ticket == ticket and (h.order is None or h.order.is_live) for h in self.holders)

    def free(self, ticket: int) -> int:
        """How many admissions of the ticket are left."""
        return self.tickets[ticket].quantity - self.held(ticket)

    def uses(self, code: Code) -> int:
        """How many uses of a code are counted."""
        return 0 if code.limit is None else self._seats(code)

    def _seats(self, code: Code) -> int:
        live = [order for order in self.orders if order.is_live]
        return sum(o.discount_seats if code is self.discount else o.access_seats for o in live)

    def _short(self, code: Code, seats: int) -> bool:
        return code.limit is not None and seats > 0 and self._seats(code) + seats > code.limit

    def seats(self, code: Code, lines: dict[int, int]) -> int:
        """How many of these seats a code covers."""
        return sum(quantity for ticket, quantity in lines.items() if ticket in code.covers)

    def placing(self, lines: dict[int, int], *, discount: bool, access: bool) -> set[str]:
        """The errors that an order of these lines may meet; one of them, if there are any."""
        refusals = set()
        for ticket, quantity in lines.items():
            sold = self.tickets[ticket]
            if not sold.min_order <= quantity <= sold.max_order:
                refusals.add("OE103")
            if sold.is_hidden and not (access and ticket in self.access.covers):
                refusals.add("OE106")
            if quantity > self.free(ticket):
                refusals.add("OE101")
        if discount:
            seats = self.seats(self.discount, lines)
            refusals |= {"OE202"} if not seats else {"OE203"} if self._short(self.discount, seats) else set()
        if access:
            seats = self.seats(self.access, lines)
            refusals |= {"OE107"} if not seats or self._short(self.access, seats) else set()
        return refusals

    def amount(self, lines: dict[int, int], *, discount: bool) -> Decimal:
        """What these lines cost."""
        total = Decimal(0)
        for ticket, quantity in lines.items():
            percent = self.discount.percent if discount and ticket in self.discount.covers else 0
            total += quantity * (self.tickets[ticket].price * (100 - percent) / 100)
        return total

    def missing(self, order: Order) -> list[int]:
        """The tickets of the seats that were sold and have no holder any more."""
        there = [holder.ticket for holder in self.holders if holder.order is order]
        gone = [t for t, sold in sorted(order.lines.items()) for _ in range(sold - there.count(t))]
        return gone[: max(sum(order.lines.values()) - len(there), 0)]

    def reviving(self, order: Order, *new: int) -> set[str]:
        """The errors that a dead order may meet that comes to life, with new holders of these tickets."""
        tickets = [*new, *(holder.ticket for holder in self.holders if holder.order is order)]
        wanted = {ticket: tickets.count(ticket) for ticket in tickets}
        refusals = {"OE101" for ticket, seats in wanted.items() if seats > self.free(ticket)}
        refusals |= {"OE203"} if self._short(self.discount, order.discount_seats) else set()
        refusals |= {"OE107"} if self._short(self.access, order.access_seats) else set()
        return refusals

    def forget(self, order: Order) -> None:
        """An order is deleted, with its holders and its key."""
        self.orders.remove(order)
        self.holders = [holder for holder in self.holders if holder.order is not order]
        self.keys = {key: kept for key, kept in self.keys.items() if kept[1] is not order}
