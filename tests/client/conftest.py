"""The connections that a client may be given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import Client
from tests import samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Databases


@pytest.fixture(scope="module")
def dsn(databases: Databases, migrated_template: str) -> str:
    """A migrated database that the tests of a module share: each makes rows of its own."""
    return databases.create(migrated_template)


@pytest.fixture
def db(dsn: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def undone(dsn: str) -> Iterator[psycopg.Connection]:
    """A connection to it in a transaction that is undone after the test."""
    with psycopg.connect(dsn) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def client(db: psycopg.Connection) -> Client:
    """A client over an autocommit connection."""
    return Client(db)


@pytest.fixture
def event_id(db: psycopg.Connection) -> int:
    """A published event."""
    return samples.event(db)


@pytest.fixture
def user_id(db: psycopg.Connection) -> int:
    """A user."""
    return samples.user(db)
