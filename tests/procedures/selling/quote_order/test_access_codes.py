"""Which access code is meant by its text: nothing keeps two of an event from reading the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oeventdb import AccessCodeInvalid
from tests.procedures.selling.shop import line

if TYPE_CHECKING:
    from tests.procedures.conftest import Refusal
    from tests.procedures.selling.shop import Shop


def test_one_that_is_switched_off_does_not_hide_its_successor(shop: Shop, refused: Refusal) -> None:
    door = shop.ticket(is_hidden=True, price=20)
    shop.access(door, code="VIP", is_active=False)

    def quote() -> list[int]:
        lines = shop.client.quote_order(event_id=shop.event, lines=[line(door)], access_code="vip")
        return [int(quoted.amount) for quoted in lines]

    with refused(shop.connection, AccessCodeInvalid):
        quote()
    shop.access(door, code="Vip")
    assert quote() == [20]
