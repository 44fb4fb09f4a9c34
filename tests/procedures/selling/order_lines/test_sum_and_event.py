"""The lines of an order are of its event, and add up to what it costs, whoever writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from oeventdb import InvalidArgument, WrongEvent, translated
from tests import samples
from tests.procedures.selling.shop import Shop, broken, line

if TYPE_CHECKING:
    from tests.procedures.conftest import Refusal


def _names(shop: Shop) -> dict[str, Any]:
    ticket, other, unmanned = shop.ticket(), shop.ticket(), shop.ticket()
    order = shop.place(line(ticket, 2))
    legacy, manned = (samples.insert(shop.connection, "orders", event_id=shop.event) for _ in range(2))
    nowhere = samples.insert(shop.connection, "orders", status="completed")
    shop.connection.execute(
        "INSERT INTO orders_tickets VALUES (%s, %s, 1), (%s, %s, 1)", [nowhere, other, legacy, unmanned]
    )
    guest = {"ticket_id": other, "order_id": manned, "firstname": "Ada", "lastname": "Lovelace"}
    abroad = samples.event(shop.connection)
    return {
        "order": order.id,
        "legacy": legacy,
        "manned": manned,
        "nowhere": nowhere,
        "ticket": ticket,
        "other": other,
        "unmanned": unmanned,
        "abroad": abroad,
        "foreign": samples.ticket(shop.connection, abroad),
        "holder": shop.holders(order)[0],
        "guest": samples.insert(shop.connection, "ticket_holders", **guest),
    }


@pytest.mark.parametrize(
    "write",
    [
        "UPDATE orders SET amount = 0.01 WHERE id = %(order)s",
        "UPDATE orders SET amount = NULL WHERE id = %(order)s",
        "UPDATE orders SET currency = 'EUR' WHERE id = %(legacy)s",
        "UPDATE orders_tickets SET price = 1 WHERE order_id = %(order)s",
        "UPDATE orders_tickets SET price = NULL WHERE order_id = %(order)s",
        "UPDATE orders_tickets SET quantity = 1 WHERE order_id = %(order)s",
        "UPDATE orders_tickets SET order_id = %(legacy)s WHERE order_id = %(order)s",
        "DELETE FROM orders_tickets WHERE order_id = %(order)s",
        "INSERT INTO orders_tickets (order_id, ticket_id, quantity, price, discount) VALUES (%(order)s, %(other)s, 1, 1, 0)",
        "INSERT INTO orders (currency, amount, status) VALUES ('EUR', 5, 'completed')",
        "INSERT INTO orders (currency, status) VALUES ('EUR', 'completed')",
        "TRUNCATE orders_tickets",
        "TRUNCATE tickets CASCADE",
    ],
)
def test_an_amount_is_the_sum_of_the_lines(shop: Shop, refused: Refusal, write: str) -> None:
    names = _names(shop)
    shop.connection.execute("UPDATE orders SET amount = 7 WHERE id = %(legacy)s", names)
    with refused(shop.connection, InvalidArgument, argument="amount"), translated():
        shop.connection.execute(write.encode(), names)
    assert broken(shop.connection) == []


def test_an_order_keeps_the_currency_of_its_amount(shop: Shop, refused: Refusal) -> None:
    order = shop.place(line(shop.ticket()))
    with refused(shop.connection, InvalidArgument, argument="currency"), translated():
        shop.connection.execute("UPDATE orders SET currency = NULL, amount = 0.01 WHERE id = %s", [order.id])


@pytest.mark.parametrize(
    ("write", "detail"),
    [
        (
            "INSERT INTO orders_tickets (order_id, ticket_id, quantity) VALUES (%(legacy)s, %(foreign)s, 1)",
            "foreign",
        ),
        ("UPDATE orders SET event_id = %(abroad)s WHERE id = %(order)s", "ticket"),
        ("UPDATE orders SET event_id = %(abroad)s WHERE id = %(nowhere)s", "other"),
        ("UPDATE orders SET event_id = %(abroad)s WHERE id = %(manned)s", "guest"),
        ("UPDATE tickets SET event_id = %(abroad)s WHERE id = %(unmanned)s", "unmanned"),
        (
            "INSERT INTO ticket_holders (firstname, lastname, ticket_id, order_id) VALUES ('a', 'b', %(foreign)s, %(order)s)",
            "order",
        ),
        (
            "UPDATE ticket_holders SET ticket_id = %(foreign)s, event_id = %(abroad)s WHERE id = %(holder)s",
            "order",
        ),
    ],
)
def test_an_order_is_of_one_event(shop: Shop, refused: Refusal, write: str, detail: str) -> None:
    names = _names(shop)
    with refused(shop.connection, WrongEvent, id=names[detail]), translated():
        shop.connection.execute(write.encode(), names)


def test_what_adds_up_may_be_written(shop: Shop) -> None:
    names = _names(shop)
    shop.connection.execute(
        "WITH lines AS (UPDATE orders_tickets SET price = 15 WHERE order_id = %(order)s)"
        " UPDATE orders SET amount = 30 WHERE id = %(order)s",
        names,
    )
    shop.connection.execute("INSERT INTO orders_tickets VALUES (%(legacy)s, %(other)s, 3)", names)
    shop.connection.execute("UPDATE orders SET amount = 12.34 WHERE id = %(legacy)s", names)
    shop.connection.execute("DELETE FROM orders WHERE id IN (%(order)s, %(legacy)s)", names)
    shop.connection.execute(
        "WITH new AS (INSERT INTO orders (currency, amount) VALUES ('EUR', 5) RETURNING id)"
        " INSERT INTO orders_tickets (order_id, ticket_id, quantity, price, discount) SELECT id, %(other)s, 1, 5, 0 FROM new",
        names,
    )
    assert broken(shop.connection) == []


def test_an_old_holder_of_another_events_order_goes_on(shop: Shop) -> None:
    names = _names(shop)
    shop.connection.execute("SET session_replication_role = replica")
    shop.connection.execute("UPDATE orders SET event_id = %(abroad)s WHERE id = %(order)s", names)
    shop.connection.execute("RESET session_replication_role")
    shop.connection.execute("UPDATE ticket_holders SET firstname = 'Ada' WHERE id = %(holder)s", names)
    for status in ("cancelled", "completed"):
        shop.connection.execute(
            "UPDATE orders SET status = %(status)s WHERE id = %(order)s", names | {"status": status}
        )
    assert shop.held(names["ticket"]) == 2


def test_a_holder_without_ticket_keeps_no_order_in_its_event(shop: Shop) -> None:
    order = samples.insert(shop.connection, "orders", event_id=shop.event)
    person = {"firstname": "A", "lastname": "B"}
    samples.insert(shop.connection, "ticket_holders", order_id=order, event_id=shop.event, **person)
    abroad = samples.event(shop.connection)
    shop.connection.execute("UPDATE orders SET event_id = %s WHERE id = %s", [abroad, order])
    assert shop.value("SELECT event_id FROM orders WHERE id = %s", order) == abroad
