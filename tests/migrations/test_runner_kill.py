"""Killed at any point, process or server, a migration ends as if nothing had happened.

Steps that only define functions are passed by, and of the others some are chosen, unless
OEVENTDB_EVERY_KILL=1 asks for all of them, as `make storm` does.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from psycopg import sql

from oeventdb import schema
from oeventdb.demo.loading import LOADING_ORDER, load
from oeventdb.errors import DatabaseUnreachable
from oeventdb.schema import catalog
from oeventdb.schema.lock import HOLDER_NAME, LockLost
from oeventdb.servers.local_postgres import LocalPostgres
from tests.legacy import digest
from tests.legacy.generator import Size, generate
from tests.migrations.toys import Toys

LEGACY = "0001.legacy-tables"
SIZE = Size(users=20, events=12, tickets=30, discount_codes=20, orders=40, holders=120, feedback=90)
EVERY_KILL = os.environ.get("OEVENTDB_EVERY_KILL") == "1"
RANDOM_KILLS = 100 if EVERY_KILL else 5
MANY = 1 if EVERY_KILL else 8
SOME = 1 if EVERY_KILL else 20
FEW = 1 if EVERY_KILL else 60
"""Of so many steps one is chosen: where a kill is quick, takes long, or even longer."""

ONLY_DEFINES = re.compile(r"CREATE OR REPLACE (FUNCTION|PROCEDURE)|COMMENT|REVOKE|CREATE TYPE")

ROOT = Path(__file__).resolve().parents[2]

Point = tuple[str, int]


class Killed(Protocol):
    """Kill something while the process of this pid waits in the middle of its work."""

    def __call__(self, pid: int) -> None:
        """Kill it."""


@dataclass
class Victims:
    """Runs upgraders that stop at a point; see tests/migrations/victim.py."""

    process: subprocess.Popen[str]
    stops: list[Point] = field(default_factory=list)

    def run(self, dsn: str, direction: str, to: str | None) -> dict[str, Any]:
        """Start an upgrader and return what it says at the next point of `stops`, or at its end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"dsn": dsn, "direction": direction, "to": to, "stops": self.stops}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert "failed" not in answer, (answer["failed"], self.stops[:1])
        return answer

    def kill_everywhere(
        self, dsn: str, kill: Killed, *, direction: str = "migrate", to: str | None = None
    ) -> None:
        """Kill at each point of `stops` in turn, each time starting again."""
        while "finished" not in (answer := self.run(dsn, direction, to)):
            self.stops.remove((answer["task"], answer["done"]))
            kill(answer["pid"])
        assert self.stops == []


def kill_process(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def victims() -> Iterator[Victims]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.migrations.victim"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield Victims(process)
        assert process.stdin is not None
        process.stdin.close()


class Copies:
    """Makes databases on the server that is killed, each a copy of another."""

    def __init__(self, server: LocalPostgres) -> None:
        self.server = server
        self.count = 0

    def of(self, template: str) -> str:
        """Return the conninfo of a copy of a database."""
        self.count += 1
        name = f"copy_{self.count}"
        with psycopg.connect(self.server.conninfo(), autocommit=True) as connection:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.server.conninfo(name)


@dataclass(frozen=True)
class Origin:
    """A dirty legacy database, a migrated copy, and what both are like undisturbed."""

    copies: Copies
    legacy: dict[str, Any]
    migrated: dict[str, Any]


def state(dsn: str) -> dict[str, Any]:
    """Return all of a database that does not depend on when it was made."""
    with psycopg.connect(dsn) as connection:
        internal = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname NOT IN"
            " ('ledger', 'journal', 'progress')"
            " AND relnamespace = to_regnamespace('oeventdb_internal')"
        ).fetchall()
        journal = []
        if connection.execute("SELECT to_regclass('oeventdb_internal.journal')").fetchone() != (None,):
            journal = connection.execute(
                "SELECT migration, table_name, key, reason, old_row::text"
                " FROM oeventdb_internal.journal ORDER BY 1, 2, 3, 4, 5"
            ).fetchall()
        return {
            "catalog": catalog.read(connection),
            "grants": catalog.grants(connection, [], []),
            "rows": digest.rows(connection, LOADING_ORDER),
            "internal": digest.rows(connection, [n for (n,) in internal], "oeventdb_internal"),
            "journal": journal,
            "ledger": connection.execute(
                "SELECT id, hash, finished_at IS NULL FROM oeventdb_internal.ledger ORDER BY id"
            ).fetchall(),
        }


@pytest.fixture(scope="module")
def origin(mortal: LocalPostgres) -> Origin:
    copies = Copies(mortal)
    legacy, migrated = copies.of("template0"), copies.of("template0")
    for dsn in (legacy, migrated):
        schema.migrate(dsn, to=LEGACY)
        with psycopg.connect(dsn) as connection:
            load(connection, generate(7, SIZE))
    schema.migrate(migrated)
    return Origin(copies, state(legacy), state(migrated))


@pytest.fixture
def dirty(origin: Origin) -> str:
    """Return a copy of the dirty legacy database."""
    return origin.copies.of("copy_1")


@pytest.fixture
def migrated(origin: Origin) -> str:
    """Return a copy of the migrated database."""
    return origin.copies.of("copy_2")


@pytest.fixture
def kill_server(mortal: LocalPostgres) -> Callable[[int], None]:
    def kill(pid: int) -> None:
        mortal.kill9()
        kill_process(pid)
        mortal.start()

    return kill


def stops(*, undone: bool = False, some: int) -> list[Point]:
    """Return the points to kill at: before each step, and after the last of each migration."""
    found: list[Point] = []
    for migration in schema.load()[1:]:
        script = migration.rollback if undone else migration.apply
        task = f"rollback of {migration.id}" if undone else migration.id
        if script.transactional:
            steps = list(enumerate(script.statements))
        else:
            steps = [(before, first) for before, (first, *_) in script.steps()]
        found += [(task, n) for n, first in steps if EVERY_KILL or not ONLY_DEFINES.match(first.code)]
        found.append((task, len(script.statements)))
    return found[::some]


def test_a_process_killed_at_steps_of_every_migration(origin: Origin, dirty: str, victims: Victims) -> None:
    victims.stops = stops(some=MANY)
    victims.kill_everywhere(dirty, kill_process)
    assert state(dirty) == origin.migrated


def test_a_process_killed_at_steps_of_every_rollback(origin: Origin, migrated: str, victims: Victims) -> None:
    victims.stops = stops(undone=True, some=MANY)
    victims.kill_everywhere(migrated, kill_process, direction="rollback", to=LEGACY)
    assert state(migrated) == origin.legacy


def test_a_server_killed_at_steps_of_every_migration(
    origin: Origin, dirty: str, victims: Victims, kill_server: Killed
) -> None:
    victims.stops = stops(some=SOME)
    victims.kill_everywhere(dirty, kill_server)
    assert state(dirty) == origin.migrated


def test_an_upgrader_whose_server_dies_says_so(dirty: str, mortal: LocalPostgres) -> None:
    def kill(task: str, done: int, total: int | None) -> None:
        del task, total
        if done == 3:
            mortal.kill9()

    try:
        with pytest.raises(DatabaseUnreachable, match="lost") as lost:
            schema.migrate(dirty, progress=kill)
    finally:
        mortal.start()
    assert lost.value.hint == "run the command again to go on"


def test_a_failure_without_the_lock_is_not_blamed_on_the_migration(toys: Toys) -> None:
    toys.add(
        "0001.apples",
        "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity"
        f" WHERE application_name = '{HOLDER_NAME}' AND datname = current_database();\n"
        "SELECT 1 / 0;\n",
    )
    with pytest.raises(LockLost):
        toys.migrate()


def test_an_exception_of_whom_batches_are_reported_to_ends_the_migration(toys: Toys) -> None:
    toys.add(
        "0001.batches",
        "-- transactional: false\n"
        "CREATE TABLE IF NOT EXISTS oeventdb_internal.progress (task text, done int, total int, updated_at date);\n"
        "CREATE OR REPLACE PROCEDURE public.work() LANGUAGE plpgsql AS $procedure$\n"
        "BEGIN\n"
        "    INSERT INTO oeventdb_internal.progress VALUES ('work', 1, 2, now());\n"
        "    COMMIT;\n"
        "    PERFORM pg_sleep(10);\n"
        "END\n"
        "$procedure$;\n"
        "CALL public.work();\n",
    )

    def fail(task: str, *_: object) -> None:
        if task == "work":
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        toys.migrate(progress=fail)
    assert toys.ledger() == ["0001.batches?"]


def test_a_process_killed_at_any_moment(origin: Origin, dirty: str) -> None:
    chance = random.Random(4)
    command = [sys.executable, "-m", "oeventdb", "migrate", "--dsn", dirty]
    for _ in range(RANDOM_KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.3, 1.2))
        process.kill()
        process.wait()
    schema.migrate(dirty)
    assert state(dirty) == origin.migrated


def test_an_interrupted_migration_is_rolled_back_instead(origin: Origin, victims: Victims) -> None:
    victims.stops = stops(some=FEW)
    for kills in itertools.count():
        if kills % 100 == 0:
            # a table may have 1600 columns in its life, those that were dropped included
            dirty = origin.copies.of("copy_1")
        answer = victims.run(dirty, "migrate", None)
        if "finished" in answer:
            break
        victims.stops.remove((answer["task"], answer["done"]))
        kill_process(answer["pid"])
        schema.rollback(dirty, to=LEGACY)
        assert state(dirty) == origin.legacy, answer
    assert victims.stops == []
