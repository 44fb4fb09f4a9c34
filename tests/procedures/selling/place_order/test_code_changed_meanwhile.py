"""An order is placed under the code as it is when its lock is had, not as it was when the buyer began to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.procedures.selling.shop import Shop, line
from tests.procedures.sessions import REPEATABLE_READ, outcome

if TYPE_CHECKING:
    from tests.procedures.sessions import Session, Stage

TABLES = {"discount_code": "discount_codes", "access_code": "access_codes"}
PLACE = (
    "SELECT amount FROM oeventdb.place_order(%(event)s, jsonb_build_array(jsonb_build_object("
    "'ticket_id', %(ticket)s::bigint, 'quantity', 1)), 'ada@example.org', {kind} => %(code)s)"
)


def _code(shop: Shop, kind: str, ticket: int, uses: int | None) -> str:
    if kind == "access_code":
        return shop.access(ticket, tickets_number=uses)
    return shop.discount(ticket, type="amount", value=5, tickets_number=uses, max_quantity=None)


@pytest.mark.parametrize("uses", [3, None])
@pytest.mark.parametrize(
    ("kind", "change", "refusal"),
    [
        ("discount_code", "UPDATE {table} SET is_active = false WHERE id = %(id)s", "OE202"),
        ("discount_code", "UPDATE {table} SET deleted_at = now() WHERE id = %(id)s", "OE202"),
        (
            "discount_code",
            "UPDATE {table} SET valid_till = now() - interval '1 day' WHERE id = %(id)s",
            "OE202",
        ),
        ("discount_code", "SELECT FROM oeventdb.delete_discount_code(%(id)s)", "OE202"),
        ("access_code", "UPDATE {table} SET is_active = false WHERE id = %(id)s", "OE107"),
        ("access_code", "DELETE FROM {table} WHERE id = %(id)s", "OE107"),
    ],
)
def test_a_code_that_ends_while_the_buyer_waits_for_it(
    stage: Stage, setup: Session, kind: str, change: str, refusal: str, uses: int | None
) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    code = _code(shop, kind, ticket, uses)
    code_id = shop.value(f"SELECT id FROM {TABLES[kind]} WHERE code = %s", code)
    organizer, buyer = stage.session(), stage.session()
    organizer.begin()
    organizer.run(change.format(table=TABLES[kind]), {"id": code_id})
    buying = buyer.start(PLACE.format(kind=kind), {"event": shop.event, "ticket": ticket, "code": code})
    stage.blocked(buyer, buying, by=organizer)
    organizer.commit()
    assert outcome(buying) == refusal
    assert shop.held(ticket) == 0


def test_a_price_is_the_one_of_the_code_as_it_is_now(stage: Stage, setup: Session) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket(price=20)
    code = _code(shop, "discount_code", ticket, 3)
    organizer, buyer = stage.session(), stage.session()
    organizer.begin()
    organizer.run("UPDATE discount_codes SET value = 2 WHERE code = %s", [code])
    buying = buyer.start(
        PLACE.format(kind="discount_code"), {"event": shop.event, "ticket": ticket, "code": code}
    )
    stage.blocked(buyer, buying, by=organizer)
    organizer.commit()
    assert buying.result() == [(18,)]


@pytest.mark.parametrize("kind", TABLES)
def test_a_use_that_is_being_given_back_is_waited_for(stage: Stage, setup: Session, kind: str) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    code = _code(shop, kind, ticket, 1)
    order = shop.place(line(ticket), **{kind: code})
    other, buyer = stage.session(), stage.session()
    other.begin()
    other.run("SELECT FROM oeventdb.cancel_order(%s)", [order.identifier])
    buying = buyer.start(PLACE.format(kind=kind), {"event": shop.event, "ticket": ticket, "code": code})
    stage.blocked(buyer, buying, by=other)
    other.commit()
    assert outcome(buying) == "done"


@pytest.mark.parametrize("kind", TABLES)
def test_an_older_snapshot_does_not_call_a_code_used_up(stage: Stage, setup: Session, kind: str) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    code = _code(shop, kind, ticket, 1)
    order = shop.place(line(ticket), **{kind: code})
    buyer = stage.session()
    buyer.begin(REPEATABLE_READ)
    setup.run("SELECT FROM oeventdb.cancel_order(%s)", [order.identifier])
    buying = buyer.start(PLACE.format(kind=kind), {"event": shop.event, "ticket": ticket, "code": code})
    assert outcome(buying) == "40001"
