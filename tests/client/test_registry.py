"""The registry of errors against the contract, the catalog and the SQL that raises them."""

from __future__ import annotations

import inspect
import json
import pickle
import re
from typing import TYPE_CHECKING

import psycopg
import pytest

import oeventdb
from oeventdb import errors
from oeventdb.errors import CONSTRAINTS, ERRORS, Error
from oeventdb.resources import db_path
from tests import samples

if TYPE_CHECKING:
    from tests.conftest import Databases

CONTRACT = {
    "OE404": "not_found",
    "OE400": "invalid_argument",
    "OE101": "sold_out",
    "OE102": "not_on_sale",
    "OE103": "order_limits",
    "OE104": "capacity_below_held",
    "OE105": "wrong_event",
    "OE106": "access_code_required",
    "OE107": "access_code_invalid",
    "OE201": "discount_code_wrong_kind",
    "OE202": "discount_code_invalid",
    "OE203": "discount_code_used_up",
    "OE204": "discount_code_quantity",
    "OE205": "discount_code_definition",
    "OE301": "order_state",
    "OE302": "order_expired",
    "OE303": "idempotency_conflict",
    "OE401": "already_checked_in",
    "OE501": "rating_invalid",
}

_CONSTRAINTS = """
SELECT conname FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'u', 'x')
UNION
SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique AND NOT i.indisprimary
"""


def test_the_codes_and_names_are_those_of_the_contract() -> None:
    assert {code: error.name() for code, error in ERRORS.items()} == CONTRACT


def test_every_error_is_in_the_registry_and_importable() -> None:
    declared = {c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, Error)} - {Error}
    assert declared == set(ERRORS.values())
    assert {error.__name__ for error in declared} <= set(oeventdb.__all__)


@pytest.mark.parametrize("error", ERRORS.values(), ids=lambda error: error.__name__)
def test_an_error_says_what_happened_and_what_to_do(error: type[Error]) -> None:
    summary = (error.__doc__ or "").splitlines()[0]
    happened, colon, remedy = summary.partition(": ")
    assert happened[0].isupper()
    assert colon
    assert remedy.endswith(".")


def test_every_code_that_the_sql_raises_is_in_the_registry() -> None:
    text = "\n".join(path.read_text() for path in db_path().rglob("*.sql"))
    caught_inside = set(re.findall(r"WHEN SQLSTATE '(OE\d\d\d)'", text))
    assert set(re.findall(r"'(OE\d\d\d)'", text)) - caught_inside <= set(ERRORS)


@pytest.fixture(scope="module")
def added(migrated_template: str, legacy_template: str, databases: Databases) -> set[str]:
    """The constraints and unique indexes that the migrations add to the legacy tables."""

    def names(template: str) -> set[str]:
        dsn = databases.create(template)
        with psycopg.connect(dsn) as connection:
            return {row[0] for row in connection.execute(_CONSTRAINTS)}

    return names(migrated_template) - names(legacy_template)


def test_every_constraint_of_ours_has_an_error(added: set[str]) -> None:
    assert sorted(added - set(CONSTRAINTS)) == []


def test_every_constraint_of_the_registry_exists(added: set[str]) -> None:
    assert sorted(set(CONSTRAINTS) - added) == []


def test_a_function_refusal_keeps_detail_hint_and_cause(db: psycopg.Connection) -> None:
    detail = {"ticket_id": 7, "requested": 2, "available": 1}
    with pytest.raises(oeventdb.SoldOut) as caught, oeventdb.translated():
        db.execute(
            "SELECT oeventdb_internal.fail('OE101', 'sold out', %s::jsonb, 'Buy less.')",
            [json.dumps(detail)],
        )
    assert str(caught.value) == "sold out"
    assert caught.value.sqlstate == "OE101"
    assert caught.value.detail == detail
    assert caught.value.hint == "Buy less."
    assert caught.value.constraint is None
    assert isinstance(caught.value.__cause__, psycopg.DatabaseError)


@pytest.mark.parametrize("detail", ["no JSON", "[1]", "3", ""])
def test_a_detail_that_is_no_json_object_is_empty(db: psycopg.Connection, detail: str) -> None:
    with pytest.raises(oeventdb.NotFound) as caught, oeventdb.translated():
        db.execute(
            f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'OE404', MESSAGE = 'x', DETAIL = '{detail}'; END $$"
        )
    assert caught.value.detail == {}


def test_other_errors_are_left_alone(db: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), oeventdb.translated():
        db.execute("SELECT 1 / 0")
    with pytest.raises(KeyError), oeventdb.translated():
        raise KeyError("x")


def test_an_application_may_wrap_a_refusal_in_an_error_of_its_own(db: psycopg.Connection) -> None:
    class NoRating(Exception):
        pass

    def rating() -> None:
        try:
            oeventdb.Client(db).event_rating(event_id=-1)
        except oeventdb.NotFound as exc:
            raise NoRating from exc

    with pytest.raises(NoRating), oeventdb.translated():
        rating()
    with pytest.raises(oeventdb.NotFound) as caught, oeventdb.translated():
        oeventdb.Client(db).event_rating(event_id=-1)
    assert type(caught.value.__cause__) is psycopg.DatabaseError


def test_an_unknown_constraint_is_left_alone(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE theirs (a int CONSTRAINT theirs_a CHECK (a > 0))")
    with pytest.raises(psycopg.errors.CheckViolation), oeventdb.translated():
        db.execute("INSERT INTO theirs VALUES (0)")


def test_a_constraint_of_others_with_a_name_of_ours_is_left_alone(undone: psycopg.Connection) -> None:
    undone.execute("CREATE SCHEMA shop")
    check = "(quantity int CONSTRAINT tickets_quantity CHECK (quantity > 0))"
    for table in ("shop.tickets", "public.stock"):
        undone.execute(f"CREATE TABLE {table} {check}".encode())
        with (
            pytest.raises(psycopg.errors.CheckViolation),
            oeventdb.translated(),
            undone.transaction(),
        ):
            undone.execute(f"INSERT INTO {table} VALUES (0)".encode())


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO orders_tickets (order_id, ticket_id, quantity) VALUES (%(order)s, -1, 1)",
        "DELETE FROM tickets WHERE id = %(ticket)s",
    ],
)
def test_the_rule_of_a_foreign_key_is_told_of_both_its_sides(
    undone: psycopg.Connection, statement: str
) -> None:
    event = samples.event(undone)
    ticket = samples.ticket(undone, event)
    order = samples.insert(undone, "orders", identifier="sides", event_id=event, status="completed")
    undone.execute("INSERT INTO orders_tickets VALUES (%s, %s, 1)", [order, ticket])
    with pytest.raises(oeventdb.CapacityBelowHeld) as caught, oeventdb.translated():
        undone.execute(statement.encode(), {"order": order, "ticket": ticket})
        undone.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert "exists, and cannot be deleted" in str(caught.value.hint)


def test_errors_survive_pickling() -> None:
    """Task queues send exceptions between processes."""
    error = oeventdb.SoldOut("sold out", detail={"available": 0}, hint="Wait.", constraint="ticket_event")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(copy), str(copy), vars(copy)) == (oeventdb.SoldOut, "sold out", vars(error))


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (errors.Refused, 1),
        (errors.DatabaseUnreachable, 4),
        (errors.SearchUnavailable, 5),
    ],
)
def test_exit_codes(error: type[errors.OperationError], exit_code: int) -> None:
    assert error.exit_code == exit_code
