"""How many seats a discount code is for, where it does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oeventdb import DiscountCodeQuantity
from tests.procedures.selling.shop import line

if TYPE_CHECKING:
    from tests.procedures.selling.shop import Shop


@pytest.mark.parametrize("maximum", [None, 0, 2])
def test_a_code_with_a_maximum_of_null_or_0_is_for_any_number_of_seats(
    shop: Shop, maximum: int | None
) -> None:
    ticket = shop.ticket(price=20)
    shop.client.create_discount_code(
        event_id=shop.event,
        code="EARLY",
        type="percent",
        value=10,
        ticket_ids=[ticket],
        min_quantity=0,
        max_quantity=maximum,
    )

    def quote() -> list[int]:
        lines = shop.client.quote_order(event_id=shop.event, lines=[line(ticket, 3)], discount_code="early")
        return [int(quoted.amount) for quoted in lines]

    if maximum:
        with pytest.raises(DiscountCodeQuantity):
            quote()
    else:
        assert quote() == [54]
