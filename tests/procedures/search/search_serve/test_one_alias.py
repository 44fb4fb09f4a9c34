"""The outbox is for one alias: two would each get a part of the changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from psycopg import errors

if TYPE_CHECKING:
    import psycopg

_SERVE = "SELECT oeventdb_internal.search_serve(%s, %s)"


def test_it_is_for_the_first_until_another_asks_to_have_it_instead(db: psycopg.Connection) -> None:
    asked = [("events", False), ("events", False), ("concerts", False), ("concerts", True), ("events", False)]
    answers = [db.execute(_SERVE, each).fetchone() for each in asked]
    assert answers == [(True,), (True,), (False,), (True,), (False,)]


@pytest.mark.parametrize("one", [True, False])
def test_no_statement_makes_it_be_for_two(db: psycopg.Connection, one: bool) -> None:
    db.execute(_SERVE, ("events", False))
    with pytest.raises((errors.UniqueViolation, errors.CheckViolation)):
        db.execute("INSERT INTO oeventdb_internal.search_served (one, alias) VALUES (%s, 'concerts')", [one])
    assert db.execute("SELECT alias FROM oeventdb_internal.search_served").fetchall() == [("events",)]
