"""Seats that come free when an event or ticket is withdrawn are not sold to who waited for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.procedures.selling.shop import Shop, line
from tests.procedures.sessions import outcome

if TYPE_CHECKING:
    from tests.procedures.sessions import Session, Stage

PLACE = (
    "SELECT amount FROM oeventdb.place_order(%(event)s, jsonb_build_array(jsonb_build_object("
    "'ticket_id', %(ticket)s::bigint, 'quantity', %(seats)s::integer)), 'ada@example.org')"
)


@pytest.mark.parametrize("seats", [1, 2])
@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("UPDATE events SET deleted_at = now() WHERE id = %(event)s", "OE404"),
        ("UPDATE events SET state = 'draft' WHERE id = %(event)s", "OE102"),
        ("UPDATE tickets SET deleted_at = now() WHERE id = %(ticket)s", "OE404"),
        ("UPDATE tickets SET sales_ends_at = now() - interval '1 day' WHERE id = %(ticket)s", "OE102"),
        ("UPDATE tickets SET is_hidden = true WHERE id = %(ticket)s", "OE106"),
        ("UPDATE tickets SET position = 7 WHERE id = %(ticket)s", "done"),
    ],
)
def test_a_buyer_waits_for_seats_of_what_is_withdrawn(
    stage: Stage, setup: Session, change: str, refusal: str, seats: int
) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket(quantity=seats)
    order = shop.place(line(ticket, seats))
    organizer, buyer = stage.session(), stage.session()
    names = {"event": shop.event, "ticket": ticket, "seats": seats, "order": order.identifier}
    organizer.begin()
    organizer.run("SELECT FROM oeventdb.cancel_order(%(order)s)", names)
    organizer.run(change, names)
    buying = buyer.start(PLACE, names)
    stage.blocked(buyer, buying, by=organizer)
    organizer.commit()
    assert outcome(buying) == refusal
    assert shop.held(ticket) == (seats if refusal == "done" else 0)
