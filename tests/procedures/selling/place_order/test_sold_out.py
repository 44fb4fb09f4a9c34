"""An order is sold whole or not at all, and a refusal says what was asked for and what there was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oeventdb import SoldOut
from tests.procedures.selling.shop import Shop, broken, line

if TYPE_CHECKING:
    from tests.procedures.conftest import Refusal
    from tests.procedures.sessions import Session, Stage


def test_more_seats_than_are_left(shop: Shop, refused: Refusal) -> None:
    ticket = shop.ticket(quantity=4)
    shop.place(line(ticket, 2))
    with refused(shop.connection, SoldOut, ticket_id=ticket, requested=3, available=2):
        shop.place(line(ticket, 3))
    assert shop.held(ticket) == 2
    assert broken(shop.connection) == []


@pytest.mark.parametrize("sold", [0, 1000])
def test_more_seats_than_there_are_unopened_ones(stage: Stage, setup: Session, sold: int) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket(quantity=1005, max_order=None)
    if sold:
        shop.place(line(ticket, sold))
    buyer = Shop(stage.session(lock_timeout="1min", statement_timeout="5s").connection)
    with pytest.raises(SoldOut) as refusal:
        buyer.place(line(ticket, 1006 - sold), event_id=shop.event)
    # told at once: there is nobody to wait for
    assert refusal.value.detail["available"] == 1005 - sold
    buyer.place(line(ticket, 1005 - sold), event_id=shop.event)


def test_one_line_too_many_gives_back_the_others(shop: Shop, refused: Refusal) -> None:
    first, last = shop.ticket(quantity=5), shop.ticket(quantity=1)
    with refused(shop.connection, SoldOut, ticket_id=last, requested=2, available=1):
        shop.place(line(first, 5), line(last, 2))
    assert (shop.held(first), shop.held(last)) == (0, 0)
    shop.place(line(first, 5), line(last))
    assert broken(shop.connection) == []
