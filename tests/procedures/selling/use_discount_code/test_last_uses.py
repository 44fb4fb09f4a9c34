"""The last uses of a code: whoever wants them waits for who may give them back, and takes only what is there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.procedures.selling.shop import EMAIL, Shop, line
from tests.procedures.sessions import READ_COMMITTED, levels, outcome

if TYPE_CHECKING:
    from tests.procedures.sessions import Session, Stage

REFUSED = {"discount_code": "OE203", "access_code": "OE107"}
TABLES = {"discount_code": "discount_codes", "access_code": "access_codes"}


def _code(shop: Shop, kind: str, ticket: int, uses: int | None) -> str:
    make = shop.discount if kind == "discount_code" else shop.access
    return make(ticket, tickets_number=uses)


def _buy(shop: Shop, kind: str, ticket: int, code: str, quantity: int = 1) -> tuple[str, list[Any]]:
    """The statement that places an order with the code, and its parameters."""
    statement = f"SELECT FROM oeventdb.place_order(%s, %s::jsonb, %s, {kind} => %s)"
    return statement, [shop.event, json.dumps([line(ticket, quantity)]), EMAIL, code]


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_the_buyer_waits_for_who_takes_the_last_use(
    stage: Stage, setup: Session, kind: str, end: str
) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    code = _code(shop, kind, ticket, 3)
    one, two = stage.session(), stage.session()
    one.begin()
    one.run(*_buy(shop, kind, ticket, code, 2))
    waiting = two.start(*_buy(shop, kind, ticket, code, 2))
    stage.blocked(two, waiting, by=one)
    one.run(end)
    assert outcome(waiting) == (REFUSED[kind] if end == "COMMIT" else "done")
    assert shop.uses(code, TABLES[kind]) == 2


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_payment_waits_for_who_gives_the_last_use_back(
    stage: Stage, setup: Session, kind: str, end: str
) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    code = _code(shop, kind, ticket, 2)
    late = shop.expired(line(ticket, 2), **{kind: code})
    order = shop.place(line(ticket, 2), **{kind: code})
    office, buyer = stage.session(), stage.session()
    office.begin()
    office.run("SELECT FROM oeventdb.cancel_order(%s)", [order.identifier])
    waiting = buyer.start("SELECT FROM oeventdb.complete_order(%s)", [late.identifier])
    stage.blocked(buyer, waiting, by=office)
    office.run(end)
    assert outcome(waiting) == ("done" if end == "COMMIT" else "OE302")
    assert shop.uses(code, TABLES[kind]) == 2


@pytest.mark.parametrize("kind", REFUSED)
def test_a_limit_counts_the_order_that_is_being_placed(stage: Stage, setup: Session, kind: str) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    code = _code(shop, kind, ticket, None)
    buyer, organizer = stage.session(), stage.session()
    buyer.begin()
    buyer.run(*_buy(shop, kind, ticket, code, 2))
    waiting = organizer.start(f"UPDATE {TABLES[kind]} SET tickets_number = 5 WHERE code = %s", [code])
    stage.blocked(organizer, waiting, by=buyer)
    buyer.commit()
    assert outcome(waiting) == "done"
    assert shop.uses(code, TABLES[kind]) == 2


@pytest.mark.parametrize("kind", REFUSED)
def test_a_limit_does_not_count_the_order_that_is_dying(stage: Stage, setup: Session, kind: str) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    code = _code(shop, kind, ticket, None)
    order = shop.place(line(ticket, 2), **{kind: code})
    office, organizer = stage.session(), stage.session()
    office.begin()
    office.run("SELECT FROM oeventdb.cancel_order(%s)", [order.identifier])
    waiting = organizer.start(f"UPDATE {TABLES[kind]} SET tickets_number = 5 WHERE code = %s", [code])
    stage.blocked(organizer, waiting, by=office)
    office.commit()
    assert outcome(waiting) == "done"
    assert shop.uses(code, TABLES[kind]) == 0


@pytest.mark.parametrize("kind", REFUSED)
def test_an_order_counts_under_the_limit_that_is_being_set(stage: Stage, setup: Session, kind: str) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    code = _code(shop, kind, ticket, None)
    shop.place(line(ticket), **{kind: code})
    buyer, organizer = stage.session(), stage.session()
    organizer.begin()
    organizer.run(f"UPDATE {TABLES[kind]} SET tickets_number = 2 WHERE code = %s", [code])
    waiting = buyer.start(*_buy(shop, kind, ticket, code, 2))
    stage.blocked(buyer, waiting, by=organizer)
    organizer.commit()
    assert outcome(waiting) == REFUSED[kind]
    assert shop.uses(code, TABLES[kind]) == 1


@levels
def test_a_limit_is_set_where_all_orders_are_seen(stage: Stage, setup: Session, level: str) -> None:
    """An old snapshot would leave out the orders placed since."""
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    code = _code(shop, "discount_code", ticket, None)
    organizer = stage.session()
    organizer.begin(level)
    shop.place(line(ticket), discount_code=code)
    setting = organizer.start("UPDATE discount_codes SET tickets_number = 5 WHERE code = %s", [code])
    assert outcome(setting) == ("done" if level == READ_COMMITTED else "0A000")
    organizer.run("ROLLBACK" if level != READ_COMMITTED else "COMMIT")
    assert shop.uses(code) == (1 if level == READ_COMMITTED else 0)
