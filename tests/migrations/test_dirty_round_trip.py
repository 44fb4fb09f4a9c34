"""Dirty legacy data up, down and up again: nothing is lost on the way, and twice is the same as once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import schema
from oeventdb.demo.loading import LOADING_ORDER, load
from tests.legacy import digest, foreign
from tests.legacy.generator import generate

if TYPE_CHECKING:
    from collections.abc import Iterator

LEGACY = "0001.legacy-tables"


@pytest.fixture(params=[0])
def dirty(request: pytest.FixtureRequest, legacy: str) -> str:
    """Return the DSN of a dirty legacy database with sixty foreign tables."""
    with psycopg.connect(legacy) as connection:
        load(connection, generate(request.param))
        foreign.create(connection)
    return legacy


@pytest.fixture
def connection(dirty: str) -> Iterator[psycopg.Connection]:
    """Return an autocommit connection to the dirty database."""
    with psycopg.connect(dirty, autocommit=True) as connected:
        yield connected


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


@pytest.mark.parametrize("dirty", [0, 1], indirect=True)
def test_rolling_back_gives_every_legacy_table_back_byte_for_byte(
    dirty: str, connection: psycopg.Connection
) -> None:
    before = digest.rows(connection, LOADING_ORDER)
    shape = digest.shape(connection, LOADING_ORDER)
    schema.migrate(dirty)
    assert digest.rows(connection, LOADING_ORDER) != before
    schema.rollback(dirty, to=LEGACY)
    assert digest.rows(connection, LOADING_ORDER) == before
    assert digest.shape(connection, LOADING_ORDER) == shape


DERIVED = ("admission_no",)
"""What a migration may take away and its rollback need not give back: holders of dead orders give up theirs."""


def test_each_migration_is_undone_by_its_own_rollback(dirty: str, connection: psycopg.Connection) -> None:
    def state() -> tuple[dict[str, str], list[str]]:
        return digest.rows(connection, LOADING_ORDER, without=DERIVED), digest.shape(
            connection, LOADING_ORDER
        )

    ids = [migration.id for migration in schema.load()]
    states = []
    for migration in ids[1:]:
        states.append(state())
        schema.migrate(dirty, to=migration)
    for previous, (rows, shape) in zip(reversed(ids[:-1]), reversed(states), strict=True):
        schema.rollback(dirty, to=previous)
        found = state()
        assert found[0] == rows, previous
        assert found[1] == shape, previous


def test_migrating_again_gives_the_same_database_as_the_first_time(
    dirty: str, connection: psycopg.Connection
) -> None:
    schema.migrate(dirty)
    internal = internal_tables(connection)
    first = (
        digest.rows(connection, LOADING_ORDER),
        digest.shape(connection, LOADING_ORDER),
        digest.rows(connection, internal, "oeventdb_internal"),
        journal(connection),
    )
    schema.rollback(dirty, to=LEGACY)
    schema.migrate(dirty)
    assert internal_tables(connection) == internal
    assert digest.rows(connection, LOADING_ORDER) == first[0]
    assert digest.shape(connection, LOADING_ORDER) == first[1]
    assert digest.rows(connection, internal, "oeventdb_internal") == first[2]
    assert journal(connection) == first[3]


def test_foreign_tables_come_through_untouched(dirty: str, connection: psycopg.Connection) -> None:
    before = digest.rows(connection, foreign.TABLES), digest.shape(connection, foreign.TABLES)
    schema.migrate(dirty)
    assert (digest.rows(connection, foreign.TABLES), digest.shape(connection, foreign.TABLES)) == before
    schema.rollback(dirty, to=LEGACY)
    assert (digest.rows(connection, foreign.TABLES), digest.shape(connection, foreign.TABLES)) == before
