"""Codes that read the same may be written at any moment until the rule is on; the migration ends all the same."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import schema
from tests.migrations.live_clients import migrate_beside, seed
from tests.migrations.stops import migrate_stopping

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Databases

EVENTS = 3
TEXTS = 5
CLIENTS = 3
IS_ON = "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'discount_code_definition')"
MARKED_WRONGLY = """
SELECT id, is_duplicate FROM (
    SELECT id, is_duplicate, row_number() OVER (PARTITION BY event_id, lower(code COLLATE "C") ORDER BY is_duplicate, id) > 1 AS has_twin
    FROM discount_codes WHERE event_id IS NOT NULL
) AS code
WHERE is_duplicate <> has_twin AND NOT (id <= 200 AND is_duplicate)
"""
"""An old one that was marked at first keeps its mark, even if the other changes."""

LEFT_BEHIND = (
    "SELECT proname FROM pg_proc WHERE proname IN"
    " ('discount_code_meanwhile', 'look_at_discount_codes_again', 'discount_code_unmarked')"
)


def write(connection: psycopg.Connection, event: int | None, code: str) -> None:
    """Insert a code as the legacy application does."""
    connection.execute(
        "INSERT INTO discount_codes (code, type, value, used_for, event_id) VALUES (%s, 'percent', 1, 'ticket', %s)",
        [code, event],
    )


@pytest.fixture(scope="module")
def busy_template(databases: Databases, legacy_template: str) -> str:
    def prepare(dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            seed(connection, 100)
        schema.migrate(dsn, to="0005")

    return databases.template(legacy_template, prepare)


@pytest.fixture
def busy(new_database: Callable[[str], str], busy_template: str) -> str:
    """Return the DSN of a database before the migration of codes, in which many read the same."""
    return new_database(busy_template)


def test_a_code_written_again_between_any_two_statements(busy: str) -> None:
    refused: list[str] = []
    with psycopg.connect(busy, autocommit=True) as client:
        write(client, None, "free")

        def write_again(task: str, done: int, total: int | None) -> None:
            del total
            if not task.startswith("0006"):
                return
            client.execute("UPDATE discount_codes SET code = upper(code) WHERE id = 101")
            client.execute("UPDATE discount_codes SET code = %s WHERE id = 2", [f"Moved {done}"])
            for event, code in ((1, "CODE 1"), (1, "Once"), (1, f"Only after {done}"), (None, "free")):
                try:
                    write(client, event, code)
                except psycopg.errors.UniqueViolation:
                    refused.append(code)

        schema.migrate(busy, to="0006", progress=write_again)
        assert set(refused) == {"CODE 1", "Once"}
        assert client.execute(MARKED_WRONGLY).fetchall() == []
        kept = client.execute(
            "SELECT count(*), count(*) FILTER (WHERE is_duplicate) FROM discount_codes WHERE code = 'Once'"
        )
        written, marked = kept.fetchone() or (0, 0)
        assert written > 5
        assert marked == written - 1
        assert client.execute("SELECT is_duplicate FROM discount_codes WHERE id = 1").fetchone() == (False,)
        assert client.execute("SELECT is_duplicate FROM discount_codes WHERE id = 2").fetchone() == (False,)
        assert client.execute(LEFT_BEHIND).fetchall() == []


def test_a_new_code_that_gets_another_id_before_the_rule_is_on_is_looked_at_by_that(busy: str) -> None:
    with psycopg.connect(busy, autocommit=True) as client:

        def insert_and_renumber() -> None:
            write(client, 1, "Renumbered")
            client.execute("UPDATE discount_codes SET id = 100000 WHERE code = 'Renumbered'")

        migrate_stopping(
            busy,
            "0006",
            {"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS discount_codes_event_code": insert_and_renumber},
        )
        assert client.execute("SELECT is_duplicate FROM discount_codes WHERE id = 100000").fetchone() == (
            False,
        )
        with pytest.raises(psycopg.errors.UniqueViolation):
            write(client, 1, "renumbered")


def test_an_old_code_that_breaks_a_rule_stays_usable_between_any_two_statements(busy: str) -> None:
    with psycopg.connect(busy, autocommit=True) as client:
        client.execute("UPDATE discount_codes SET value = 500, type = 'percent' WHERE id <= 2")

        def use(task: str, done: int, total: int | None) -> None:
            del done, total
            if task.startswith("0006"):
                client.execute("UPDATE discount_codes SET is_active = NOT is_active WHERE id = 2")

        schema.migrate(busy, to="0006", progress=use)
        marked = client.execute(
            "SELECT id, is_legacy FROM discount_codes WHERE id <= 3 ORDER BY id"
        ).fetchall()
        assert marked == [(1, True), (2, True), (3, False)]
        assert client.execute(LEFT_BEHIND).fetchall() == []


def test_no_link_to_a_code_of_another_event_is_written_between_any_two_statements(busy: str) -> None:
    ended: list[str] = []
    with psycopg.connect(busy, autocommit=True) as client:

        def link(task: str, done: int, total: int | None) -> None:
            del done, total
            if task.startswith("0006"):
                try:
                    client.execute("UPDATE tickets SET discount_code_id = 1 WHERE id = 2")
                    ended.append("done")
                except psycopg.Error as error:
                    ended.append(str(error.sqlstate))

        schema.migrate(busy, to="0006", progress=link)
    assert set(ended) == {"42703", "23503", "OE105"}


def repeat(dsn: str, client: int, ended: list[str]) -> None:
    """Write codes of few texts until the rule is on."""
    chance = random.Random(client)
    with psycopg.connect(dsn, autocommit=True) as connection:
        while connection.execute(IS_ON).fetchone() == (False,):
            code = chance.choice([str.upper, str.lower])(f"again {chance.randrange(TEXTS)}")
            try:
                write(connection, 1 + chance.randrange(EVENTS), code)
                ended.append("done")
            except psycopg.Error as error:
                ended.append(str(error.sqlstate))


def test_clients_that_write_the_same_codes_all_the_while(busy: str) -> None:
    ended = migrate_beside(busy, repeat, clients=CLIENTS, to="0006")
    assert ended.count("done") > 100
    assert set(ended) <= {"done", "23505", "40P01"}
    with psycopg.connect(busy) as connection:
        assert connection.execute(MARKED_WRONGLY).fetchall() == []


def test_a_deleted_code_is_no_duplicate(busy: str) -> None:
    def write_two(task: str, done: int, total: int | None) -> None:
        if task.startswith("0006") and total and done == total - 5:
            with psycopg.connect(busy, autocommit=True) as connection:
                write(connection, 1, "Gone")
                write(connection, 1, "gone")
                connection.execute("UPDATE discount_codes SET deleted_at = now() WHERE code = 'gone'")

    schema.migrate(busy, to="0006", progress=write_two)
    with psycopg.connect(busy) as connection:
        marked = connection.execute(
            "SELECT code, is_duplicate FROM discount_codes WHERE lower(code) = 'gone' ORDER BY id"
        )
        assert marked.fetchall() == [("Gone", False), ("gone", False)]


def test_however_many_were_written_nobody_has_to_wait_for_them(busy: str) -> None:
    many = (
        "INSERT INTO discount_codes (code, type, value, used_for, event_id)"
        f" SELECT 'AGAIN ' || g % {TEXTS}, 'percent', 1, 'ticket', 1 + g % {EVENTS} FROM generate_series(1, 8000) AS g"
    )
    ended: list[str] = []
    clients = [threading.Thread(target=repeat, args=(busy, n, ended), daemon=True) for n in range(CLIENTS)]

    def write_many(task: str, done: int, total: int | None) -> None:
        # before the statement that puts the rule in force; the three after it clear up
        if task.startswith("0006") and total and done == total - 4:
            with psycopg.connect(busy, autocommit=True) as connection:
                connection.execute(many.encode())
            for client in clients:
                client.start()

    schema.migrate(busy, to="0006", progress=write_many, patience=15)
    for client in clients:
        client.join(30)
    assert ended
    with psycopg.connect(busy) as connection:
        assert connection.execute(MARKED_WRONGLY).fetchall() == []
