"""Random histories against a small model: every answer, refusal and count is the model's.

OEVENTDB_HISTORIES says how many are tried (20), each of up to 60 steps.
"""

from __future__ import annotations

import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from oeventdb import Error, translated
from tests.procedures.selling.model import DEAD, Code, Holder, Model, Order, Ticket
from tests.procedures.selling.shop import EMAIL, Shop, broken, line

if TYPE_CHECKING:
    from collections.abc import Callable

HISTORIES = int(os.environ.get("OEVENTDB_HISTORIES", "20"))
STEPS = 60
STATES = ("pending", "completed", "placed", None, *DEAD)
TICKETS = st.integers(0, 3)
PICK = st.integers(0, 2**16)
LINES = st.dictionaries(TICKETS, st.sampled_from([1, 1, 1, 2, 3, 4, 5]), min_size=1, max_size=3)

COUNTS = """
SELECT
    (SELECT jsonb_object_agg(t.id, (
        SELECT count(*) FROM ticket_holders AS h WHERE h.ticket_id = t.id AND h.admission_no IS NOT NULL
    )) FROM tickets AS t WHERE t.event_id = %(event)s),
    (SELECT coalesce(jsonb_object_agg(o.id, o.status), '{}') FROM orders AS o WHERE o.event_id = %(event)s),
    (SELECT used_number FROM discount_codes WHERE event_id = %(event)s),
    (SELECT used_number FROM access_codes WHERE event_id = %(event)s)
"""


class Histories(RuleBasedStateMachine):
    """One history of one event, undone at its end."""

    connection: ClassVar[psycopg.Connection[Any]]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.undoing = self.connection.transaction(force_rollback=True)
        self.undoing.__enter__()
        self.overdue = 0

    @initialize(
        quantities=st.tuples(*[st.integers(1, 6)] * 4),
        limits=st.tuples(*[st.none() | st.integers(1, 8)] * 2),
    )
    def open(self, quantities: tuple[int, ...], limits: tuple[int | None, int | None]) -> None:
        """Two tickets with a discount, a free one, and a hidden one."""
        self.shop = Shop(self.connection)
        while self.shop.client.expire_orders():
            pass
        kinds: list[dict[str, Any]] = [
            {"price": 10},
            {"price": 20, "min_order": 2},
            {"price": 0, "type": "free"},
            {"price": 7, "is_hidden": True},
        ]
        tickets = {}
        for quantity, kind in zip(quantities, kinds, strict=True):
            ticket = self.shop.ticket(quantity=quantity, **{"max_order": 4, **kind})
            tickets[ticket] = Ticket(
                ticket,
                quantity,
                Decimal(kind["price"]),
                kind.get("is_hidden", False),
                kind.get("min_order", 1),
            )
        self.ids = list(tickets)
        discount, access = self.ids[:2], self.ids[2:]
        self.model = Model(
            tickets,
            Code(
                self.shop.discount(*discount, value=50, tickets_number=limits[0]),
                frozenset(discount),
                50,
                limits[0],
            ),
            Code(self.shop.access(*access, tickets_number=limits[1]), frozenset(access), 0, limits[1]),
        )

    def teardown(self) -> None:
        """Nothing that was done breaks an invariant; all of it is undone."""
        try:
            assert broken(self.connection) == []
        finally:
            self.undoing.__exit__(None, None, None)

    def attempt(self, refusals: set[str], act: Callable[[], Any]) -> Any:
        """Do it: it is done if there is nothing against it, else refused for one of the reasons."""
        type(self).steps += 1
        try:
            with translated(), self.connection.transaction():
                done = act()
        except Error as exc:
            if exc.sqlstate in refusals:
                return None
            raise
        assert not refusals, f"done, expected {refusals}"
        return done if done is not None else True

    def raw(self, statement: str, *parameters: Any) -> Callable[[], Any]:
        """A statement of the legacy application."""
        return lambda: self.connection.execute(statement.encode(), parameters).rowcount

    def order(self, pick: int) -> Order:
        """One of the orders."""
        return self.model.orders[pick % len(self.model.orders)]

    def holder(self, pick: int) -> Holder:
        """One of the holders."""
        return self.model.holders[pick % len(self.model.holders)]

    def has_orders(self) -> bool:
        """Whether there are any."""
        return bool(self.model.orders)

    def has_holders(self) -> bool:
        """Whether there are any."""
        return bool(self.model.holders)

    @rule(lines=LINES, discount=st.booleans(), access=st.booleans(), key=st.none() | st.sampled_from("abc"))
    def place(self, lines: dict[int, int], discount: bool, access: bool, key: str | None) -> None:
        """An order, again under a key that was used, or new."""
        wanted = {self.ids[place]: quantity for place, quantity in lines.items()}
        request: dict[str, Any] = {
            "event_id": self.shop.event,
            "lines": [line(ticket, quantity) for ticket, quantity in wanted.items()],
            "email": EMAIL,
        }
        if discount:
            request["discount_code"] = self.model.discount.text
        if access:
            request["access_code"] = self.model.access.text.lower()
        refusals = self.model.placing(wanted, discount=discount, access=access)
        earlier = self.model.keys.get(key) if key else None
        if earlier is not None:
            refusals = set() if earlier[0] == request else {"OE303"}
        more: dict[str, Any] = {"idempotency_key": f"{key} {self.shop.event}"} if key else {}
        placed = self.attempt(refusals, lambda: self.shop.client.place_order(**request, **more))
        if placed is None:
            return
        if earlier is not None:
            assert placed.id == earlier[1].id
            return
        assert placed.amount == self.model.amount(wanted, discount=discount)
        assert placed.status == ("pending" if placed.amount else "completed")
        order = Order(
            placed.id,
            placed.identifier,
            placed.status,
            placed.amount,
            wanted,
            self.model.seats(self.model.discount, wanted) if discount else 0,
            self.model.seats(self.model.access, wanted) if access else 0,
        )
        self.model.orders.append(order)
        people = self.connection.execute(
            "SELECT id, ticket_id FROM ticket_holders WHERE order_id = %s", [order.id]
        )
        self.model.holders += [Holder(row[0], row[1], order) for row in people]
        if key:
            self.model.keys[key] = request, order

    @precondition(has_orders)
    @rule(pick=PICK)
    def complete(self, pick: int) -> None:
        """A payment; one that is late brings back whoever was removed."""
        order = self.order(pick)
        missing = self.model.missing(order) if order.status == "expired" else []
        refusals = {"OE301"} if order.status in ("completed", "cancelled", "deleted") else set()
        if order.status == "expired" and self.model.reviving(order, *missing):
            refusals = {"OE302"}
        if self.attempt(refusals, lambda: self.shop.client.complete_order(order_identifier=order.identifier)):
            order.status = "completed"
            known = [holder.id for holder in self.model.holders]
            people = self.connection.execute(
                "SELECT id, ticket_id FROM ticket_holders WHERE order_id = %s AND id <> ALL (%s)",
                [order.id, known],
            )
            self.model.holders += [Holder(row[0], row[1], order) for row in people]

    @precondition(has_orders)
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        """Second thoughts."""
        order = self.order(pick)
        refusals = {"OE301"} if order.status in ("completed", *DEAD) else set()
        if self.attempt(refusals, lambda: self.shop.client.cancel_order(order_identifier=order.identifier)):
            order.status = "cancelled"

    @precondition(has_orders)
    @rule(pick=PICK)
    def let_time_pass(self, pick: int) -> None:
        """A hold ends."""
        order = self.order(pick)
        self.overdue += 1
        order.overdue = self.overdue
        self.raw(
            "UPDATE orders SET expires_at = now() - interval '1 day' + %s * interval '1 second' WHERE id = %s",
            order.overdue,
            order.id,
        )()

    @rule(batch=st.integers(1, 3))
    def expire(self, batch: int) -> None:
        """A worker: those that have been overdue for longest first."""
        late = [order for order in self.model.orders if order.status == "pending" and order.overdue]
        late = sorted(late, key=lambda order: order.overdue or 0)[:batch]
        assert self.attempt(set(), lambda: self.shop.client.expire_orders(batch=batch) == len(late)) is True
        for order in late:
            order.status = "expired"

    @precondition(has_holders)
    @rule(pick=PICK, undo=st.booleans())
    def check_in(self, pick: int, undo: bool) -> None:
        """A door."""
        holder = self.holder(pick)
        if undo:
            self.attempt(set(), lambda: self.shop.client.undo_check_in(ticket_holder_id=holder.id))
            holder.is_checked_in = False
            return
        refusals = {"OE401"} if holder.is_checked_in else set()
        if holder.order is not None and not holder.order.is_live:
            refusals.add("OE301")
        if self.attempt(refusals, lambda: self.shop.client.check_in(ticket_holder_id=holder.id)):
            holder.is_checked_in = True

    @rule(place=TICKETS)
    def add_guest(self, place: int) -> None:
        """A holder without order."""
        ticket = self.ids[place]
        refusals = set() if self.model.free(ticket) else {"OE101"}
        added = self.attempt(
            refusals,
            lambda: self.shop.client.add_ticket_holder(
                ticket_id=ticket, firstname="Ada", lastname="Lovelace"
            ),
        )
        if added:
            self.model.holders.append(Holder(added.id, ticket))

    @precondition(has_holders)
    @rule(pick=PICK)
    def remove(self, pick: int) -> None:
        """A holder less."""
        holder = self.holder(pick)
        self.attempt(set(), lambda: self.shop.client.remove_ticket_holder(ticket_holder_id=holder.id))
        self.model.holders.remove(holder)

    @precondition(has_orders)
    @rule(pick=PICK, place=TICKETS)
    def add_to_an_order(self, pick: int, place: int) -> None:
        """The legacy application adds a holder to an order, live or dead."""
        order, ticket = self.order(pick), self.ids[place]
        refusals = {"OE101"} if order.is_live and not self.model.free(ticket) else set()
        insert = "INSERT INTO ticket_holders (firstname, lastname, ticket_id, order_id) VALUES ('a', 'b', %s, %s) RETURNING id"
        added = self.attempt(refusals, lambda: self.shop.value(insert, ticket, order.id))
        if added:
            self.model.holders.append(Holder(added, ticket, order))

    @precondition(has_holders)
    @rule(pick=PICK, place=TICKETS)
    def move(self, pick: int, place: int) -> None:
        """The legacy application gives a holder another ticket."""
        holder, ticket = self.holder(pick), self.ids[place]
        holds = holder.order is None or holder.order.is_live
        refusals = {"OE101"} if holds and ticket != holder.ticket and not self.model.free(ticket) else set()
        if self.attempt(
            refusals, self.raw("UPDATE ticket_holders SET ticket_id = %s WHERE id = %s", ticket, holder.id)
        ):
            holder.ticket = ticket

    @rule(place=TICKETS, quantity=st.integers(0, 8))
    def resize(self, place: int, quantity: int) -> None:
        """More admissions, or fewer."""
        ticket = self.ids[place]
        refusals = {"OE104"} if quantity < self.model.held(ticket) else set()
        if self.attempt(
            refusals, self.raw("UPDATE tickets SET quantity = %s WHERE id = %s", quantity, ticket)
        ):
            self.model.tickets[ticket].quantity = quantity

    @precondition(has_orders)
    @rule(pick=PICK, status=st.sampled_from(STATES))
    def write_status(self, pick: int, status: str | None) -> None:
        """The legacy application writes any state over any other."""
        order = self.order(pick)
        is_reviving = not order.is_live and status not in DEAD
        refusals = self.model.reviving(order) if is_reviving else set()
        if self.attempt(refusals, self.raw("UPDATE orders SET status = %s WHERE id = %s", status, order.id)):
            order.status = status

    @precondition(has_orders)
    @rule(pick=PICK)
    def delete_order(self, pick: int) -> None:
        """The legacy application deletes an order with its holders."""
        order = self.order(pick)
        self.attempt(set(), self.raw("DELETE FROM orders WHERE id = %s", order.id))
        self.model.forget(order)

    @rule(limit=st.none() | st.integers(0, 9), is_discount=st.booleans())
    def limit(self, limit: int | None, is_discount: bool) -> None:
        """A code gets a limit, another, or none."""
        code, table, error = (
            (self.model.discount, "discount_codes", "OE203")
            if is_discount
            else (self.model.access, "access_codes", "OE107")
        )
        before, code.limit = code.limit, limit
        refusals = {error} if limit is not None and self.model.uses(code) > limit else set()
        change = self.raw(
            f"UPDATE {table} SET tickets_number = %s WHERE event_id = %s", limit, self.shop.event
        )
        if not self.attempt(refusals, change):
            code.limit = before

    @invariant()
    def the_database_agrees(self) -> None:
        """Held admissions, states and uses are those of the model."""
        row = self.connection.execute(COUNTS, {"event": self.shop.event}).fetchone()
        assert row == (
            {str(ticket): self.model.held(ticket) for ticket in self.ids},
            {str(order.id): order.status for order in self.model.orders},
            self.model.uses(self.model.discount),
            self.model.uses(self.model.access),
        )


def test_every_history_is_the_models(shared: str) -> None:
    with psycopg.connect(shared, autocommit=True) as connection:
        Histories.connection = connection
        run_state_machine_as_test(
            Histories,
            settings=settings(
                max_examples=HISTORIES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                database=None,
            ),
        )
    assert Histories.steps >= 25 * HISTORIES, Histories.steps
