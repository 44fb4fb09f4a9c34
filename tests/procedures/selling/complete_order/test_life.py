"""The life of an order: from each state by each way to the next, or a refusal that names the state."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import Error, OrderExpired, OrderState, SoldOut
from tests import samples
from tests.procedures.selling.shop import Shop, broken, line

if TYPE_CHECKING:
    from tests.procedures.conftest import Refusal

STATES = (
    "pending",
    "completed",
    "cancelled",
    "expired",
    "deleted",
    "placed",
    "confirmed",
    "initialized",
    None,
)
DEAD = ("cancelled", "expired", "deleted")


@pytest.mark.parametrize("status", STATES)
@pytest.mark.parametrize("way", ["complete", "cancel"])
def test_every_state_by_every_function(shop: Shop, refused: Refusal, way: str, status: str | None) -> None:
    ticket = shop.ticket()
    code = shop.discount(ticket, tickets_number=5, max_quantity=5)
    order = shop.place(line(ticket, 2), discount_code=code)
    shop.connection.execute("UPDATE orders SET status = %s WHERE id = %s", [status, order.id])
    final = {"complete": ("completed", "cancelled", "deleted"), "cancel": ("completed", *DEAD)}[way]

    def go() -> str | None:
        if way == "complete":
            return shop.client.complete_order(order_identifier=order.identifier).status
        return shop.client.cancel_order(order_identifier=order.identifier).status

    if status in final:
        with refused(shop.connection, OrderState, status=status, order=order.identifier):
            go()
    else:
        status = go()
        assert status == {"complete": "completed", "cancel": "cancelled"}[way]
    alive = 0 if status in DEAD else 2
    assert (shop.held(ticket), shop.uses(code)) == (alive, alive)


@pytest.mark.parametrize("old", STATES)
def test_every_state_after_every_other_by_the_legacy_application(shop: Shop, old: str | None) -> None:
    """It writes any state over any other: what is held follows."""
    for new in STATES:
        ticket = shop.ticket()
        code = shop.discount(ticket, tickets_number=5, max_quantity=5)
        door = shop.access(ticket, tickets_number=4)
        order = shop.place(line(ticket, 2), discount_code=code, access_code=door)
        for status in (old, new):
            shop.connection.execute("UPDATE orders SET status = %s WHERE id = %s", [status, order.id])
        alive = 0 if new in DEAD else 2
        assert (shop.held(ticket), shop.uses(code), shop.uses(door, "access_codes")) == (alive,) * 3
    assert broken(shop.connection) == []


def test_what_is_paid_is_kept_with_the_order(shop: Shop) -> None:
    order = shop.place(line(shop.ticket(), 2))
    paid = shop.client.complete_order(order_identifier=order.identifier, payment_reference="tx 1")
    assert (paid.status, paid.payment_reference, paid.amount) == ("completed", "tx 1", order.amount)
    assert paid.completed_at is not None


def test_why_it_is_cancelled_is_kept_with_the_order(shop: Shop) -> None:
    order = shop.place(line(shop.ticket(), 2))
    cancelled = shop.client.cancel_order(order_identifier=order.identifier, note="ill")
    assert (cancelled.status, cancelled.cancel_note, cancelled.completed_at) == ("cancelled", "ill", None)


@pytest.mark.parametrize("hold", [timedelta(seconds=1), timedelta(days=30), None])
def test_an_order_is_held_as_long_as_asked(shop: Shop, hold: timedelta | None) -> None:
    order = shop.place(line(shop.ticket()), **({"hold": hold} if hold else {}))
    assert order.created_at is not None
    assert order.expires_at == order.created_at + (hold or timedelta(minutes=15))


def test_a_free_order_is_complete_at_once(shop: Shop) -> None:
    order = shop.place(line(shop.ticket(type="free", price=12), 2))
    assert (order.status, order.amount, order.expires_at) == ("completed", Decimal(0), None)
    assert order.completed_at == order.created_at


def test_an_overdue_order_that_nobody_expired_is_still_held(shop: Shop) -> None:
    order = shop.place(line(shop.ticket()))
    shop.overdue(order)
    assert shop.client.complete_order(order_identifier=order.identifier).status == "completed"


def test_a_payment_revives_an_expired_order(shop: Shop) -> None:
    one, two = shop.ticket(quantity=3, max_order=3), shop.ticket()
    code = shop.discount(one, tickets_number=3, max_quantity=3)
    order = shop.expired(line(one, 3), line(two), discount_code=code)
    assert (shop.held(one), shop.held(two), shop.uses(code)) == (0, 0, 0)
    shop.client.complete_order(order_identifier=order.identifier)
    assert (shop.held(one), shop.held(two), shop.uses(code)) == (3, 1, 3)
    assert broken(shop.connection) == []


def test_a_payment_too_late_changes_nothing(shop: Shop, refused: Refusal) -> None:
    first, second = shop.ticket(), shop.ticket(quantity=2, max_order=2)
    order = shop.expired(line(first), line(second, 2))
    shop.place(line(second))
    with refused(shop.connection, OrderExpired, order=order.identifier, refused="OE101"):
        shop.client.complete_order(order_identifier=order.identifier, payment_reference="tx 1")
    assert shop.status(order) == "expired"
    assert (shop.held(first), shop.held(second)) == (0, 1)
    assert shop.value("SELECT transaction_id FROM orders WHERE id = %s", order.id) is None
    assert broken(shop.connection) == []


def test_a_payment_by_raw_statement_meets_the_same_rule(shop: Shop, refused: Refusal) -> None:
    ticket = shop.ticket(quantity=1, max_order=1)
    order = shop.expired(line(ticket))
    shop.place(line(ticket))
    with refused(shop.connection, SoldOut, ticket_id=ticket, requested=1, available=0):
        shop.connection.execute("UPDATE orders SET status = 'completed' WHERE id = %s", [order.id])


CODES = {"discount_codes": ("discount_code", "OE203"), "access_codes": ("access_code", "OE107")}


def _code(shop: Shop, table: str, ticket: int, uses: int | None) -> dict[str, str]:
    """An argument of place_order with a new code of so many uses."""
    if table == "access_codes":
        return {"access_code": shop.access(ticket, tickets_number=uses)}
    return {"discount_code": shop.discount(ticket, tickets_number=uses)}


@pytest.mark.parametrize("table", CODES)
def test_a_payment_whose_code_was_used_up_meanwhile(shop: Shop, refused: Refusal, table: str) -> None:
    ticket = shop.ticket()
    given = _code(shop, table, ticket, 2)
    order = shop.expired(line(ticket, 2), **given)
    shop.place(line(ticket), **given)
    with refused(shop.connection, OrderExpired, refused=CODES[table][1]):
        shop.client.complete_order(order_identifier=order.identifier)
    assert (shop.held(ticket), shop.uses(next(iter(given.values())), table)) == (1, 1)


@pytest.mark.parametrize("table", CODES)
def test_uses_come_back_and_can_be_had_again(shop: Shop, table: str) -> None:
    ticket = shop.ticket()
    given = _code(shop, table, ticket, 2)
    order = shop.place(line(ticket, 2), **given)
    with pytest.raises(Error) as caught, shop.connection.transaction():
        shop.place(line(ticket), **given)
    assert caught.value.sqlstate == CODES[table][1]
    shop.client.cancel_order(order_identifier=order.identifier)
    assert shop.uses(next(iter(given.values())), table) == 0
    shop.place(line(ticket, 2), **given)
    assert shop.uses(next(iter(given.values())), table) == 2


@pytest.mark.parametrize("table", CODES)
def test_a_code_that_gets_a_limit_counts_what_was_used(shop: Shop, table: str) -> None:
    ticket = shop.ticket()
    given = _code(shop, table, ticket, None)
    (code,) = given.values()
    shop.place(line(ticket, 3), **given)
    given_up = shop.place(line(ticket, 2), **given)
    shop.client.cancel_order(order_identifier=given_up.identifier)
    assert shop.uses(code, table) == 0
    limit = f"UPDATE {table} SET tickets_number = %s WHERE code = %s"
    with pytest.raises(Exception, match="used_number"), shop.connection.transaction():
        shop.connection.execute(limit, [2, code])
    shop.connection.execute(limit, [3, code])
    assert shop.uses(code, table) == 3
    shop.connection.execute(limit, [None, code])
    assert shop.uses(code, table) == 0


@pytest.mark.parametrize("uses", [None, 5])
def test_a_code_whose_quantities_changed_does_not_matter_either(shop: Shop, uses: int | None) -> None:
    ticket = shop.ticket()
    code = shop.discount(ticket, tickets_number=uses, max_quantity=uses)
    order = shop.expired(line(ticket, 3), discount_code=code)
    shop.connection.execute("UPDATE discount_codes SET max_quantity = 2 WHERE code = %s", [code])
    assert shop.client.complete_order(order_identifier=order.identifier).status == "completed"


def test_a_code_that_ended_does_not_matter_to_who_used_it_in_time(shop: Shop) -> None:
    ticket = shop.ticket()
    code = shop.discount(ticket, tickets_number=2, max_quantity=2)
    order = shop.expired(line(ticket, 2), discount_code=code)
    shop.connection.execute(
        "UPDATE discount_codes SET is_active = false, valid_till = %s WHERE code = %s",
        [samples.NOW - timedelta(days=1), code],
    )
    assert shop.client.complete_order(order_identifier=order.identifier).amount == order.amount


@pytest.mark.parametrize("seats", ["all", "some"])
@pytest.mark.parametrize("table", CODES)
def test_an_order_that_is_deleted_gives_its_uses_back(shop: Shop, table: str, seats: str) -> None:
    ticket = shop.ticket()
    given = _code(shop, table, ticket, 5)
    order = shop.place(line(ticket, 2), **given)
    if seats == "some":
        shop.client.remove_ticket_holder(ticket_holder_id=shop.holders(order)[0])
    shop.connection.execute("DELETE FROM orders WHERE id = %s", [order.id])
    assert (shop.held(ticket), shop.uses(next(iter(given.values())), table)) == (0, 0)


@pytest.mark.parametrize("table", CODES)
def test_a_dead_order_that_is_deleted_gives_nothing_back_twice(shop: Shop, table: str) -> None:
    ticket = shop.ticket()
    given = _code(shop, table, ticket, 5)
    shop.place(line(ticket), **given)
    order = shop.expired(line(ticket), **given)
    shop.connection.execute("DELETE FROM orders WHERE id = %s", [order.id])
    assert (shop.held(ticket), shop.uses(next(iter(given.values())), table)) == (1, 1)


@pytest.mark.parametrize("table", CODES)
def test_an_order_that_changes_its_code_takes_the_uses_along(shop: Shop, table: str) -> None:
    ticket = shop.ticket()
    given, (other,) = _code(shop, table, ticket, 9), _code(shop, table, ticket, 5).values()
    (code,) = given.values()
    shop.connection.execute(
        "UPDATE tickets SET discount_code_id = (SELECT id FROM discount_codes WHERE code = %s) WHERE id = %s",
        [code if table == "discount_codes" else None, ticket],
    )
    order = shop.place(line(ticket, 2), **given)
    column, seats = (
        ("discount_code_id", "discount_seats")
        if table == "discount_codes"
        else ("access_code_id", "access_seats")
    )
    change = f"UPDATE orders SET {column} = (SELECT id FROM {table} WHERE code = %s) WHERE id = %s"
    shop.connection.execute(change, [other, order.id])
    assert (shop.uses(code, table), shop.uses(other, table)) == (0, 2)
    with pytest.raises(psycopg.Error) as caught, shop.connection.transaction():
        shop.connection.execute(f"UPDATE orders SET {seats} = 6 WHERE id = %s", [order.id])
    assert caught.value.sqlstate == CODES[table][1]
    shop.connection.execute(f"UPDATE orders SET {seats} = 1 WHERE id = %s", [order.id])
    assert shop.uses(other, table) == 1
    shop.connection.execute(change, [None, order.id])
    assert shop.uses(other, table) == 0


def test_a_code_that_is_deleted_leaves_the_order(shop: Shop) -> None:
    ticket = shop.ticket()
    code = shop.discount(ticket, tickets_number=5)
    order = shop.place(line(ticket, 2), discount_code=code)
    number = int(shop.value("SELECT discount_code_id FROM orders WHERE id = %s", order.id))
    shop.client.delete_discount_code(discount_code_id=number)
    paid = shop.client.complete_order(order_identifier=order.identifier)
    assert (paid.amount, paid.discount_code_id) == (order.amount, None)
    assert broken(shop.connection) == []


@pytest.mark.parametrize("deleted", [1, 2])
def test_a_payment_makes_the_holders_again_that_were_deleted_meanwhile(shop: Shop, deleted: int) -> None:
    """The legacy application deletes the attendees of an order that expires."""
    ticket = shop.ticket(quantity=2)
    order = shop.expired(line(ticket, 2))
    shop.connection.execute("DELETE FROM ticket_holders WHERE id = ANY (%s)", [shop.holders(order)[:deleted]])
    shop.client.complete_order(order_identifier=order.identifier)
    assert shop.held(ticket) == len(shop.holders(order)) == 2


def test_a_payment_for_deleted_holders_is_refused_when_their_seats_are_sold(
    shop: Shop, refused: Refusal
) -> None:
    ticket = shop.ticket(quantity=2)
    order = shop.expired(line(ticket, 2))
    shop.connection.execute("DELETE FROM ticket_holders WHERE order_id = %s", [order.id])
    shop.place(line(ticket))
    with refused(shop.connection, OrderExpired):
        shop.client.complete_order(order_identifier=order.identifier)
    assert shop.holders(order) == []


def test_a_state_that_a_trigger_of_others_writes_counts_as_well(shop: Shop) -> None:
    ticket = shop.ticket()
    code = shop.discount(ticket, tickets_number=5, max_quantity=None)
    order = shop.place(line(ticket), discount_code=code)
    shop.connection.execute(
        "CREATE FUNCTION pg_temp.cancelled_by_note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN NEW.status := 'cancelled'; RETURN NEW; END$$;"
        " CREATE TRIGGER cancelled_by_note BEFORE UPDATE OF cancel_note ON orders"
        " FOR EACH ROW EXECUTE FUNCTION pg_temp.cancelled_by_note()"
    )
    shop.connection.execute("UPDATE orders SET cancel_note = 'ill' WHERE id = %s", [order.id])
    assert (shop.held(ticket), shop.uses(code)) == (0, 0)
    assert shop.history(order)[-1] == ("pending", "cancelled")
