"""An order stays one of one event, also when it or a ticket goes to another while a line or a holder is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import samples
from tests.procedures.selling.shop import Shop, audited, broken, line
from tests.procedures.sessions import READ_COMMITTED, levels, outcome

if TYPE_CHECKING:
    from tests.procedures.sessions import Session, Stage

WRITES = {
    "line": "INSERT INTO orders_tickets (order_id, ticket_id, quantity) VALUES (%(order)s, %(ticket)s, 1)",
    "holder": "INSERT INTO ticket_holders (firstname, lastname, order_id, ticket_id) VALUES ('a', 'b', %(order)s, %(ticket)s)",
}
MOVES = {
    "order": "UPDATE orders SET event_id = %(abroad)s WHERE id = %(order)s",
    "ticket": "UPDATE tickets SET event_id = %(abroad)s WHERE id = %(ticket)s",
}
REFUSED = {"OE105", "23503", "40001"}


@levels
@pytest.mark.parametrize("is_moved_first", [True, False])
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("write", WRITES)
def test_only_one_of_both_is_done(
    stage: Stage, setup: Session, write: str, move: str, is_moved_first: bool, level: str
) -> None:
    shop = Shop(setup.connection)
    names = {
        "order": samples.insert(setup.connection, "orders", event_id=shop.event, status="completed"),
        "ticket": shop.ticket(),
        "abroad": samples.event(setup.connection),
    }
    one, two = stage.session(), stage.session()
    # a ticket is moved under READ COMMITTED only
    levels = {WRITES[write]: level, MOVES[move]: level if move == "order" else READ_COMMITTED}
    first, second = sorted(levels, key=list(levels).index, reverse=is_moved_first)
    one.begin(levels[first])
    two.begin(levels[second])
    one.run(first, names)
    waiting = two.start(second, names)
    stage.blocked(two, waiting, by=one)
    one.commit()
    assert outcome(waiting) in REFUSED
    two.rollback()
    assert audited(setup.connection, ("order_of_other_event", "holder_order_of_other_event")) == []


def test_two_who_write_lines_of_one_order_do_not_lock_each_other_out(stage: Stage, setup: Session) -> None:
    shop = Shop(setup.connection)
    order = samples.insert(setup.connection, "orders", event_id=shop.event, status="completed")
    one, two = stage.session(), stage.session()
    one.begin()
    two.begin()
    one.run(WRITES["line"], {"order": order, "ticket": shop.ticket()})
    two_ticket = shop.ticket()
    waiting = two.start(WRITES["line"], {"order": order, "ticket": two_ticket})
    stage.blocked(two, waiting, by=one)
    one.run(WRITES["holder"], {"order": order, "ticket": shop.ticket()})
    one.commit()
    assert outcome(waiting) == "done"
    two.run(WRITES["holder"], {"order": order, "ticket": two_ticket})
    two.commit()


@levels
def test_lines_are_truncated_where_all_orders_are_seen(stage: Stage, setup: Session, level: str) -> None:
    """An old snapshot would not show the order whose lines go."""
    shop = Shop(setup.connection)
    clerk = stage.session()
    clerk.begin(level)
    shop.place(line(shop.ticket()))
    truncating = clerk.start("TRUNCATE orders_tickets")
    assert outcome(truncating) == ("OE400" if level == READ_COMMITTED else "0A000")
    clerk.rollback()
    assert broken(setup.connection) == []
