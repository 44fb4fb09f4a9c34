"""Orders written past place_order use their codes, too, and nobody writes the number of uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oeventdb import AccessCodeInvalid, DiscountCodeUsedUp
from tests import samples
from tests.procedures.selling.shop import line

if TYPE_CHECKING:
    from tests.procedures.conftest import Refusal
    from tests.procedures.selling.shop import Shop

CODES = {"discount": ("discount_codes", DiscountCodeUsedUp), "access": ("access_codes", AccessCodeInvalid)}

kinds = pytest.mark.parametrize("kind", CODES)


def _code(shop: Shop, kind: str, uses: int | None, used: int = 0) -> tuple[int, str]:
    """The id of a code and what it reads."""
    ticket = shop.ticket()
    text = (shop.discount if kind == "discount" else shop.access)(ticket, tickets_number=uses)
    if used:
        shop.place(line(ticket, used), **{f"{kind}_code": text})
    return int(shop.value(f"SELECT id FROM {CODES[kind][0]} WHERE code = %s", text)), text


def _order(shop: Shop, kind: str, code: int, seats: int, status: str | None = "pending") -> str:
    identifier = f"raw {code} {seats} {status}"
    columns = {f"{kind}_code_id": code, f"{kind}_seats": seats}
    samples.insert(
        shop.connection, "orders", identifier=identifier, event_id=shop.event, status=status, **columns
    )
    return identifier


@kinds
@pytest.mark.parametrize("status", ["pending", "completed", "placed", None])
def test_a_live_order_counts_when_it_is_written(
    shop: Shop, refused: Refusal, kind: str, status: str | None
) -> None:
    table, refusal = CODES[kind]
    code, text = _code(shop, kind, 4, used=1)
    _order(shop, kind, code, 3, status)
    assert shop.uses(text, table) == 4
    with refused(shop.connection, refusal):
        _order(shop, kind, code, 1, status)
    shop.connection.execute("UPDATE orders SET status = 'cancelled' WHERE identifier LIKE 'raw%%'")
    assert shop.uses(text, table) == 1


@kinds
@pytest.mark.parametrize("status", ["cancelled", "expired", "deleted"])
def test_a_dead_order_does_not(shop: Shop, kind: str, status: str) -> None:
    code, text = _code(shop, kind, 4)
    _order(shop, kind, code, 3, status)
    assert shop.uses(text, CODES[kind][0]) == 0


@kinds
def test_an_order_that_is_there_already_counts_once(shop: Shop, kind: str) -> None:
    code, text = _code(shop, kind, 4)
    identifier = _order(shop, kind, code, 3)
    shop.connection.execute(
        f"INSERT INTO orders (id, identifier, {kind}_code_id, {kind}_seats)"
        f" SELECT id, identifier, {kind}_code_id, 4 FROM orders WHERE identifier = %s ON CONFLICT (id) DO NOTHING",
        [identifier],
    )
    assert shop.uses(text, CODES[kind][0]) == 3


@kinds
@pytest.mark.parametrize("uses", [5, None])
@pytest.mark.parametrize(
    "write",
    [
        "UPDATE {table} SET used_number = used_number + 1 WHERE id = %(code)s",
        "UPDATE {table} SET used_number = 1, tickets_number = 9 WHERE id = %(code)s",
        "INSERT INTO {table} (code, tickets_number, used_number) VALUES ('again', 9, 1)",
    ],
)
def test_the_number_of_uses_is_not_written(
    shop: Shop, refused: Refusal, kind: str, uses: int | None, write: str
) -> None:
    table, refusal = CODES[kind]
    code, text = _code(shop, kind, uses, used=2)
    before = shop.uses(text, table)
    with refused(shop.connection, refusal) as caught:
        shop.connection.execute(write.format(table=table).encode(), {"code": code})
    assert "counted from the orders" in str(caught.value)
    shop.connection.execute(
        f"UPDATE {table} SET used_number = used_number, is_active = false WHERE id = %s", [code]
    )
    assert shop.uses(text, table) == before


@kinds
@pytest.mark.parametrize(("old", "new"), [(None, 5), (5, None)])
@pytest.mark.parametrize("writer", ["a whole row", "a trigger of others"])
def test_a_limit_comes_and_goes_whoever_writes_it(
    shop: Shop, kind: str, writer: str, old: int | None, new: int | None
) -> None:
    table, _ = CODES[kind]
    code, text = _code(shop, kind, old, used=2)
    limit = "NULL" if new is None else str(new)
    written = f"tickets_number = {limit}, used_number = used_number"
    if writer == "a trigger of others":
        written = "is_active = false"
        shop.connection.execute(
            "CREATE FUNCTION pg_temp.a_limit() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$BEGIN NEW.tickets_number := {limit}; RETURN NEW; END$$;"
            f" CREATE TRIGGER a_limit BEFORE UPDATE OF is_active ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION pg_temp.a_limit()".encode()
        )
    shop.connection.execute(f"UPDATE {table} SET {written} WHERE id = %s".encode(), [code])
    assert shop.uses(text, table) == (0 if new is None else 2)


@kinds
def test_nor_by_a_trigger_of_others(shop: Shop, refused: Refusal, kind: str) -> None:
    table, refusal = CODES[kind]
    code, text = _code(shop, kind, 5, used=2)
    shop.connection.execute(
        "CREATE ROLE writer_of_codes;"
        f" GRANT SELECT, UPDATE ON {table} TO writer_of_codes;"
        " SET ROLE writer_of_codes;"
        " CREATE TEMP TABLE bait (id bigint);"
        " CREATE FUNCTION pg_temp.bite() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$BEGIN UPDATE public.{table} SET used_number = 0 WHERE id = NEW.id; RETURN NEW; END$$;"
        " CREATE TRIGGER bite BEFORE INSERT ON bait FOR EACH ROW EXECUTE FUNCTION pg_temp.bite()"
    )
    with refused(shop.connection, refusal):
        shop.connection.execute("INSERT INTO bait VALUES (%s)", [code])
    shop.connection.execute("RESET ROLE")
    assert shop.uses(text, table) == 2
