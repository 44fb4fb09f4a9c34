"""A code that comes up while a buyer waits is locked before the buyer has anything that other buyers with the code wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.procedures.selling.shop import Shop
from tests.procedures.sessions import outcome

if TYPE_CHECKING:
    from tests.procedures.sessions import Session, Stage

PLACE = (
    "SELECT FROM oeventdb.place_order(%s, (SELECT jsonb_agg(jsonb_build_object('ticket_id', t, 'quantity', 1))"
    " FROM unnest(%s::bigint[]) AS t), 'ada@example.org', discount_code => %s, access_code => %s)"
)
CREATE = (
    "SELECT FROM oeventdb.create_discount_code(%s, 'early', 'percent', 10,"
    " ticket_ids => ARRAY[%s::bigint], tickets_number => 5)"
)


def test_a_discount_code_that_is_made_while_the_access_code_is_waited_for(
    stage: Stage, setup: Session
) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    access = shop.access(ticket, tickets_number=5)
    seller, buyer, other = (stage.session() for _ in range(3))
    seller.begin()
    seller.run(PLACE, [shop.event, [ticket], None, access])
    early = buyer.start(PLACE, [shop.event, [ticket], "EARLY", access])
    stage.sees(
        lambda: early.done() or setup.value("SELECT %s = ANY (pg_blocking_pids(%s))", [seller.pid, buyer.pid])
    )
    setup.run(CREATE, [shop.event, ticket])
    late = other.start(PLACE, [shop.event, [ticket], "EARLY", access])
    stage.waits(other, late)
    seller.commit()
    assert outcome(late) == "done"
    assert outcome(early) == "OE202"


@pytest.mark.parametrize("kind", ["discount", "access"])
def test_a_code_that_replaces_the_one_that_is_waited_for(stage: Stage, setup: Session, kind: str) -> None:
    """The buyer waits for an admission with the new code in hand, and never for the code with an admission in hand."""
    shop = Shop(setup.connection)
    ticket, next_ticket = shop.ticket(quantity=1), shop.ticket(quantity=1)
    if kind == "discount":
        shop.discount(ticket, code="early", tickets_number=5)
        codes = ["EARLY", None]
        replacing = """
            SELECT oeventdb.delete_discount_code(id) FROM discount_codes WHERE event_id = %(event)s;
            SELECT oeventdb.create_discount_code(
                %(event)s, 'early', 'percent', 10, ticket_ids => ARRAY[%(ticket)s]::bigint[], tickets_number => 5
            )
        """
    else:
        shop.access(ticket, code="early", tickets_number=5)
        codes = [None, "EARLY"]
        replacing = """
            DELETE FROM access_codes WHERE event_id = %(event)s;
            INSERT INTO access_codes (event_id, code, is_active, tickets_number) VALUES (%(event)s, 'early', true, 5);
            INSERT INTO access_codes_tickets SELECT id, %(ticket)s FROM access_codes WHERE event_id = %(event)s
        """
    seller, organizer, buyer, other = (stage.session() for _ in range(4))
    seller.begin()
    seller.run(PLACE, [shop.event, [next_ticket], None, None])
    organizer.begin()
    for statement in replacing.split(";"):
        organizer.run(statement, {"event": shop.event, "ticket": ticket})
    first = buyer.start(PLACE, [shop.event, [ticket, next_ticket], *codes])
    stage.blocked(buyer, first, by=organizer)
    organizer.commit()
    stage.blocked(buyer, first, by=seller)
    second = other.start(PLACE, [shop.event, [ticket], *codes])
    stage.blocked(other, second, by=buyer)
    seller.rollback()
    assert [outcome(first), outcome(second)] == ["done", "OE101"]
