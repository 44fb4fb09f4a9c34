"""Statements that no application was written with in mind: many rows, several tables, upserts.

They are drawn at random, first one after the other, then by several sessions at once. Whatever is done or
refused, the books are right afterwards. OEVENTDB_SEEDS says how many times each is tried (2).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests import samples
from tests.procedures.selling.model import DEAD
from tests.procedures.selling.shop import Shop, audited, broken, line
from tests.procedures.sessions import LEVELS, crowd

if TYPE_CHECKING:
    from tests.procedures.sessions import Session, Stage

SEEDS = range(int(os.environ.get("OEVENTDB_SEEDS", "2")))
PLACES = {
    name: f"(SELECT id FROM {table} WHERE {condition} ORDER BY md5(id::text || %(salt)s) LIMIT 1)"
    for name, table, condition in (
        ("order", "orders", "event_id = ANY (%(events)s)"),
        ("holder", "ticket_holders", "ticket_id = ANY (%(all)s)"),
        ("code", "discount_codes", "event_id = ANY (%(events)s)"),
        ("access", "access_codes", "event_id = ANY (%(events)s)"),
        ("user", "users", "id = ANY (%(users)s)"),
    )
}
KINDS = {
    pool: [
        [statement.format(**PLACES) for statement in kind.rstrip(";\n").split(";\n")]
        for kind in Path(__file__).with_name(f"statements_{pool}.sql").read_text().split("\n\n")[1:]
    ]
    for pool in ("seats", "codes")
}
DEFINITIONS = (
    "association_duplicate",
    "discount_code_amount_above_price",
    "discount_code_blank",
    "discount_code_duplicate",
    "discount_code_kind",
    "discount_code_quantities",
    "discount_code_value",
    "feedback_duplicate",
    "rating_not_half_star",
)
"""The rules of db/audit that hold whatever becomes of codes and feedback."""
REFUSED = ("OE", "23", "0A", "27")
"""The classes of SQLSTATE by which a rule refuses, or PostgreSQL a row that one statement writes twice (27)."""
OVERTAKEN = {"40001", "40P01", "55P03", "21000"}
"""What a statement past the functions may meet among others, and is told to try again.

21000: REPEATABLE READ goes on showing an order that has gone, beside the one inserted under its id since.
"""
GIVEN_UP = "new multixact has more than one updating member"
"""What PostgreSQL says (XX000) when, rarely, it loses track of who is changing a row; nothing is written then."""


class Shops:
    """Two events with three tickets each, few admissions, and codes with few uses."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        shops = Shop(connection), Shop(connection)
        self.events = [shop.event for shop in shops]
        self.tickets = [[shop.ticket(quantity=quantity) for quantity in (3, 6, 1)] for shop in shops]
        self.users = [samples.user(connection) for _ in range(3)]
        coded = [(shop, tickets[:2]) for shop, tickets in zip(shops, self.tickets, strict=True)]
        self.discounts = [shop.discount(*tickets, tickets_number=6) for shop, tickets in coded]
        self.accesses = [shop.access(*tickets, tickets_number=5) for shop, tickets in coded]

    def statement(self, pool: str, chance: random.Random) -> tuple[str, dict[str, Any]]:
        """One of the pool's statements, with all that it may need."""
        here = chance.randrange(2)
        tickets = [*self.tickets[0], *self.tickets[1]]
        lines = [line(ticket, chance.randint(1, 3)) for ticket in chance.sample(self.tickets[here], 2)]
        return chance.choice(chance.choice(KINDS[pool])), {
            "all": tickets,
            "tickets": chance.sample(tickets, chance.randint(1, 3)),
            "ticket": chance.choice(tickets),
            "other": chance.choice(tickets),
            "events": self.events,
            "event": self.events[here],
            "users": self.users,
            "lines": Jsonb(lines[: chance.randint(1, 2)]),
            "discount": chance.choice([None, self.discounts[here]]),
            "access": chance.choice([None, self.accesses[here]]),
            "status": chance.choice(["pending", "completed", "placed", None, *DEAD]),
            "number": chance.choice([None, *range(8)]),
            "money": chance.choice([0, 5, 19, 20, 21, 120]),
            "small": chance.randint(0, 3),
            "bit": chance.randint(0, 1),
            "salt": str(chance.randint(0, 3)),
        }


def faults(connection: psycopg.Connection[Any]) -> list[Any]:
    """What is wrong in the books."""
    return [*broken(connection), *audited(connection, DEFINITIONS)]


def outcome(connection: psycopg.Connection[Any], statement: str, values: dict[str, Any], undo: bool) -> str:
    """'done', or the SQLSTATE by which the statement was refused."""
    try:
        with connection.transaction(force_rollback=undo):
            connection.execute(statement.encode(), values)
    except psycopg.Error as error:
        return str(error.sqlstate)
    return "done"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("pool", KINDS)
def test_the_books_are_right_after_each(rules: psycopg.Connection, pool: str, seed: int) -> None:
    shops, chance, ended = Shops(rules), random.Random(seed), Counter[str]()
    for _ in range(100):
        statement, values = shops.statement(pool, chance)
        undo = chance.random() < 0.1
        came = outcome(rules, statement, values, undo=undo)
        ended[came] += 1
        # what is refused or undone has changed nothing
        assert came != "done" or undo or faults(rules) == [], (statement, values)
    assert ended["done"] > 30
    assert {state for state in ended if not state.startswith(REFUSED)} == {"done"}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("pool", KINDS)
def test_the_books_are_right_after_many_at_once(stage: Stage, setup: Session, pool: str, seed: int) -> None:
    shops = Shops(setup.connection)

    def write(session: Session, chance: random.Random) -> str:
        session.run(f"BEGIN ISOLATION LEVEL {chance.choice(LEVELS)}")
        try:
            for _ in range(chance.randint(1, 3)):
                session.run(*shops.statement(pool, chance))
            session.run(chance.choice(["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"]))
        except psycopg.Error as error:
            session.rollback()
            return "40001" if GIVEN_UP in str(error) else str(error.sqlstate)
        return "done"

    ended = crowd(stage, sessions=6, turns=30, turn=write, seed=seed)
    assert faults(setup.connection) == []
    assert ended["done"] > 30
    assert {state for state in ended if not state.startswith(REFUSED)} <= {"done", *OVERTAKEN}
