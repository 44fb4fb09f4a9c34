"""Every state of an order is written down, with who brought it about, and stays written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from oeventdb import Error
from tests.procedures.selling.shop import Shop, line

if TYPE_CHECKING:
    from oeventdb.rows import Order
    from tests.procedures.sessions import Session, Stage
    from tests.roles import Roles

WHO = """
SELECT changed_by, application_user FROM oeventdb_internal.order_history
WHERE order_id = %s ORDER BY changed_at DESC LIMIT 1
"""


def _who(shop: Shop, order: Order) -> Any:
    return shop.connection.execute(WHO, [order.id]).fetchone()


def test_the_whole_life_of_an_order(shop: Shop) -> None:
    order = shop.expired(line(shop.ticket()))
    shop.client.complete_order(order_identifier=order.identifier)
    assert shop.history(order) == [(None, "pending"), ("pending", "expired"), ("expired", "completed")]


def test_a_free_order_has_one_state(shop: Shop) -> None:
    order = shop.place(line(shop.ticket(type="free")))
    assert shop.history(order) == [(None, "completed")]


def test_cancelled_and_expired_by_function(shop: Shop) -> None:
    ticket = shop.ticket()
    cancelled, expired = shop.place(line(ticket)), shop.place(line(ticket))
    shop.client.cancel_order(order_identifier=cancelled.identifier)
    shop.overdue(expired)
    while shop.client.expire_orders():
        pass
    assert shop.history(cancelled) == [(None, "pending"), ("pending", "cancelled")]
    assert shop.history(expired) == [(None, "pending"), ("pending", "expired")]


def test_the_legacy_application_writes_history_too(shop: Shop) -> None:
    order = shop.place(line(shop.ticket()))
    for status in ("placed", "placed", "confirmed", "deleted", None, "completed"):
        shop.connection.execute("UPDATE orders SET status = %s WHERE id = %s", [status, order.id])
    shop.connection.execute("UPDATE orders SET city = 'Singapore' WHERE id = %s", [order.id])
    assert shop.history(order)[1:] == [
        ("pending", "placed"),
        ("placed", "confirmed"),
        ("confirmed", "deleted"),
        ("deleted", None),
        (None, "completed"),
    ]


def test_a_refused_change_is_no_history(shop: Shop) -> None:
    order = shop.place(line(shop.ticket(type="free")))
    with pytest.raises(Error), shop.connection.transaction():
        shop.client.cancel_order(order_identifier=order.identifier)
    assert shop.history(order) == [(None, "completed")]


def test_the_comment_says_how_the_user_of_the_application_is_named(shop: Shop) -> None:
    (comment,) = shop.connection.execute(
        "SELECT obj_description('oeventdb_internal.order_history'::regclass)"
    ).fetchone() or ("",)
    setting = re.search(r"\((SET LOCAL .*) \.\.\.\)", comment)
    assert setting
    with shop.connection.transaction():
        shop.connection.execute(f"{setting[1]} 'grace@example.org'".encode())
        order = shop.place(line(shop.ticket()))
    assert _who(shop, order)[1] == "grace@example.org"


def test_the_user_of_the_application_is_named_for_one_transaction(setup: Session) -> None:
    shop = Shop(setup.connection)
    ticket = shop.ticket()
    with shop.connection.transaction():
        shop.connection.execute("SET LOCAL oeventdb.\"user\" = 'grace@example.org'")
        named = shop.place(line(ticket))
    nameless = shop.place(line(ticket))
    assert _who(shop, named) == ("postgres", "grace@example.org")
    assert _who(shop, nameless) == ("postgres", None)
    with shop.connection.transaction():
        shop.connection.execute("SET LOCAL oeventdb.\"user\" = 'ada@example.org'")
        shop.client.cancel_order(order_identifier=named.identifier)
    assert _who(shop, named) == ("postgres", "ada@example.org")


def test_the_role_is_the_one_that_called(roles: Roles, stage: Stage, setup: Session) -> None:
    shop = Shop(setup.connection)
    role = roles.create("clerk")
    setup.run(
        f"GRANT USAGE ON SCHEMA oeventdb, public TO {role};"
        f" GRANT EXECUTE ON FUNCTION oeventdb.cancel_order(text, text) TO {role};"
        f" GRANT SELECT, UPDATE ON public.orders TO {role}"
    )
    ticket = shop.ticket()
    called, written = shop.place(line(ticket)), shop.place(line(ticket))
    clerk = stage.session()
    clerk.run(f"SET SESSION AUTHORIZATION {role}")
    clerk.run("SELECT FROM oeventdb.cancel_order(%s)", [called.identifier])
    clerk.run("UPDATE public.orders SET status = 'deleted' WHERE id = %s", [written.id])
    assert _who(shop, called) == (role, None)
    assert _who(shop, written) == (role, None)
    clerk.run("RESET SESSION AUTHORIZATION")
    clerk.run(f"SET ROLE {role}")
    clerk.run("UPDATE public.orders SET status = 'cancelled' WHERE id = %s", [written.id])
    assert _who(shop, written) == (role, None)
    assert shop.held(ticket) == 0
    clerk.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE oeventdb_internal.order_history SET changed_by = 'nobody'",
        "UPDATE oeventdb_internal.order_history SET changed_by = 'nobody' WHERE false",
        "DELETE FROM oeventdb_internal.order_history",
        "TRUNCATE oeventdb_internal.order_history",
    ],
)
def test_nobody_rewrites_history_not_even_the_owner(shop: Shop, statement: str) -> None:
    shop.place(line(shop.ticket()))
    with pytest.raises(psycopg.Error) as caught, shop.connection.transaction():
        shop.connection.execute(statement.encode())
    assert caught.value.sqlstate == "55000"


def test_the_history_outlives_the_order(shop: Shop) -> None:
    order = shop.place(line(shop.ticket()))
    shop.connection.execute("DELETE FROM orders WHERE id = %s", [order.id])
    assert shop.history(order)[0] == (None, "pending")
