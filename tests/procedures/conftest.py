"""Two databases for the tests of a file: each test works on events of its own, or in a transaction that is undone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
import pytest

from oeventdb import Error, translated
from tests.procedures import invariants
from tests.procedures.sessions import Session, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Databases

    Refusal: TypeAlias = "Callable[..., Any]"


@pytest.fixture(scope="module")
def shared(databases: Databases, migrated_template: str) -> Iterator[str]:
    """Return the DSN of a migrated database that tests with several sessions share."""
    dsn = databases.create(migrated_template)
    yield dsn
    databases.drop(dsn)


@pytest.fixture(scope="module")
def shared_connection(databases: Databases, migrated_template: str) -> Iterator[psycopg.Connection]:
    """Return the connection behind `rules`, to a database in which nothing is ever committed."""
    dsn = databases.create(migrated_template)
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection
    databases.drop(dsn)


@pytest.fixture
def rules(shared_connection: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """Return a connection inside a transaction that is undone after the test."""
    with shared_connection.transaction(force_rollback=True):
        yield shared_connection


@pytest.fixture(scope="module")
def watching(shared: str) -> Iterator[psycopg.Connection]:
    """Return a connection to the shared database that looks at the invariants: it has planned the queries once."""
    with psycopg.connect(shared, autocommit=True) as connection:
        yield connection


@pytest.fixture
def stage(shared: str, watching: psycopg.Connection) -> Iterator[Stage]:
    """Return a maker of sessions; afterwards no invariant may be broken."""
    before = watching.execute("SELECT coalesce(max(id), 0) FROM tickets").fetchone()
    assert before is not None
    made = Stage(shared)
    yield made
    made.close()
    assert invariants.broken(watching, since=before[0]) == []


@pytest.fixture
def setup(stage: Stage) -> Session:
    """Return a session that prepares what the others fight over."""
    return stage.session()


@pytest.fixture
def refused() -> Refusal:
    """Return a context in which a statement is refused, which undoes only that statement.

    ``with refused(connection, SoldOut, available=0):`` compares the keys with the detail.
    """

    @contextmanager
    def expecting(
        connection: psycopg.Connection[Any], error: type[Error], **detail: object
    ) -> Iterator[pytest.ExceptionInfo[Error]]:
        with pytest.raises(Error) as caught, translated(), connection.transaction():
            yield caught
        assert type(caught.value) is error, caught.value
        found = {key: caught.value.detail.get(key) for key in detail}
        assert found == detail

    return expecting
