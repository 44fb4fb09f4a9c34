"""Dirty legacy data up, down and up again: nothing is lost on the way, and twice is the same as once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import schema
from oeventdb.demo.loading import LOADING_ORDER, load
from tests.legacy import digest, foreign
from tests.legacy.generator import generate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Databases

LEGACY = "0001.legacy-tables"


def journal(connection: psycopg.Connection) -> list[tuple[str, ...]]:
    """What the journal holds, without numbers and times."""
    return connection.execute(
        "SELECT migration, table_name, key, reason, old_row::text FROM oeventdb_internal.journal ORDER BY 1, 2, 3, 4, 5"
    ).fetchall()


def internal_tables(connection: psycopg.Connection) -> list[str]:
    """Our own tables that follow from the data, and not from when or how often we migrated."""
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'oeventdb_internal'::regnamespace AND relkind = 'r'"
    ).fetchall()
    return sorted({row[0] for row in rows} - {"ledger", "journal", "progress"})


@dataclass(frozen=True)
class State:
    """Digests of the rows, and the shapes, of the tables of Open Event and of sixty foreign ones."""

    rows: dict[str, str]
    shape: list[str]
    foreign: tuple[dict[str, str], list[str]]


@dataclass(frozen=True)
class Internal:
    """What our own tables hold."""

    rows: dict[str, str]
    journal: list[tuple[str, ...]]


@dataclass(frozen=True)
class Trip:
    """A dirty legacy database on its way up and down, and where it is now: as it was before."""

    dsn: str
    connection: psycopg.Connection
    before: State
    migrated: State
    internal: Internal
    back: State


def dirt(connection: psycopg.Connection, seed: int) -> None:
    """Fill a legacy database with dirty rows, and add sixty foreign tables."""
    with connection.transaction():
        load(connection, generate(seed))
        foreign.create(connection)


def seen(connection: psycopg.Connection) -> State:
    others = digest.rows(connection, foreign.TABLES), digest.shape(connection, foreign.TABLES)
    return State(digest.rows(connection, LOADING_ORDER), digest.shape(connection, LOADING_ORDER), others)


def seen_of_ours(connection: psycopg.Connection) -> Internal:
    return Internal(
        digest.rows(connection, internal_tables(connection), "oeventdb_internal"), journal(connection)
    )


@pytest.fixture(scope="module", params=[0, 1])
def trip(request: pytest.FixtureRequest, databases: Databases, legacy_template: str) -> Iterator[Trip]:
    """A dirty legacy database that was migrated and rolled back."""
    dsn = databases.create(legacy_template)
    with psycopg.connect(dsn, autocommit=True) as connection:
        dirt(connection, request.param)
        before = seen(connection)
        schema.migrate(dsn)
        migrated, internal = seen(connection), seen_of_ours(connection)
        schema.rollback(dsn, to=LEGACY)
        yield Trip(dsn, connection, before, migrated, internal, seen(connection))


def test_rolling_back_gives_every_legacy_table_back_byte_for_byte(trip: Trip) -> None:
    assert trip.migrated.rows != trip.before.rows
    assert trip.back.rows == trip.before.rows
    assert trip.back.shape == trip.before.shape


def test_foreign_tables_come_through_untouched(trip: Trip) -> None:
    assert trip.migrated.foreign == trip.before.foreign
    assert trip.back.foreign == trip.before.foreign


@pytest.mark.parametrize("trip", [0], indirect=True)
def test_migrating_again_gives_the_same_database_as_the_first_time(trip: Trip) -> None:
    schema.migrate(trip.dsn)
    assert seen(trip.connection) == trip.migrated
    assert seen_of_ours(trip.connection) == trip.internal


DERIVED = ("admission_no",)
"""What a migration may take away and its rollback need not give back: holders of dead orders give up theirs."""


def test_each_migration_is_undone_by_its_own_rollback(legacy: str) -> None:
    with psycopg.connect(legacy, autocommit=True) as connection:
        dirt(connection, 0)

        def state() -> tuple[dict[str, str], list[str]]:
            return digest.rows(connection, LOADING_ORDER, without=DERIVED), digest.shape(
                connection, LOADING_ORDER
            )

        ids = [migration.id for migration in schema.load()]
        states = []
        for migration in ids[1:]:
            states.append(state())
            schema.migrate(legacy, to=migration)
        for previous, (rows, shape) in zip(reversed(ids[:-1]), reversed(states), strict=True):
            schema.rollback(legacy, to=previous)
            found = state()
            assert found[0] == rows, previous
            assert found[1] == shape, previous
