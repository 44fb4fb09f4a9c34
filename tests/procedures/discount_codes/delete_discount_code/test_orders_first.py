"""Who deletes a code and who gives its uses back lock the orders before the code, and never wait in a circle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.procedures.selling.shop import Shop, line
from tests.procedures.sessions import outcome

if TYPE_CHECKING:
    from tests.procedures.sessions import Session, Stage

DELETE = "SELECT FROM oeventdb.delete_discount_code(%s)"
LOCK = "SELECT FROM discount_codes WHERE id = %s FOR UPDATE"


def _order(shop: Shop) -> tuple[int, str, str]:
    """The code, what it reads, and the identifier of an order that uses it."""
    ticket = shop.ticket()
    code = shop.discount(ticket, tickets_number=5, max_quantity=None)
    order = shop.place(line(ticket), discount_code=code)
    return int(shop.value("SELECT id FROM discount_codes WHERE code = %s", code)), code, order.identifier


@pytest.mark.parametrize("function", ["cancel_order", "complete_order"])
def test_one_deletes_while_another_changes_an_order(stage: Stage, setup: Session, function: str) -> None:
    """Both begin while the code is held by a third; the order of one and the code of the other come free at once."""
    shop = Shop(setup.connection)
    code_id, _, identifier = _order(shop)
    setup.run(
        "UPDATE orders SET status = 'expired' WHERE identifier = %s AND %s = 'complete_order'",
        [identifier, function],
    )
    third, deleter, other = stage.session(), stage.session(), stage.session()
    third.begin()
    third.run(LOCK, [code_id])
    deleting = deleter.start(DELETE, [code_id])
    stage.blocked(deleter, deleting, by=third)
    changing = other.start(f"SELECT FROM oeventdb.{function}(%s)", [identifier])
    stage.blocked(other, changing, by=deleter)
    third.commit()
    assert [outcome(deleting), outcome(changing)] == ["done", "done"]
    assert shop.value("SELECT discount_code_id FROM orders WHERE identifier = %s", identifier) is None


@pytest.mark.parametrize("is_taken", [False, True])
def test_an_order_that_is_placed_while_the_code_is_waited_for(
    stage: Stage, setup: Session, is_taken: bool
) -> None:
    """Where another session has that order when the code comes free, the code is left to it until it has ended."""
    shop = Shop(setup.connection)
    code_id, code, _ = _order(shop)
    buyer, third, deleter, other = (stage.session() for _ in range(4))
    buyer.begin()
    (ticket,) = setup.run("SELECT id FROM tickets WHERE discount_code_id = %s", [code_id])[0]
    identifier = buyer.value(
        "SELECT identifier FROM oeventdb.place_order(%s, jsonb_build_array(jsonb_build_object("
        "'ticket_id', %s::bigint, 'quantity', 1)), 'ada@example.org', discount_code => %s)",
        [shop.event, ticket, code],
    )
    third.begin()
    next_in_line = third.start(LOCK, [code_id])
    stage.blocked(third, next_in_line, by=buyer)
    deleting = deleter.start(DELETE, [code_id])
    stage.blocked(deleter, deleting, by=third)
    buyer.commit()
    assert outcome(next_in_line) == "done"
    if is_taken:
        other.begin()
        other.run("SELECT FROM orders WHERE identifier = %s FOR UPDATE", [identifier])
    third.commit()
    if is_taken:
        stage.blocked(deleter, deleting, by=other)
        other.run(f"{LOCK} NOWAIT", [code_id])
        other.commit()
    assert outcome(deleting) == "done"
    assert shop.value("SELECT discount_code_id FROM orders WHERE identifier = %s", identifier) is None
