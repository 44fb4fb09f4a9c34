"""Servers of the storm's own: it kills them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import schema
from oeventdb.errors import OperationError
from oeventdb.servers.postgres import find_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oeventdb.servers.local_postgres import LocalPostgres


@pytest.fixture(scope="module")
def server() -> Iterator[LocalPostgres]:
    """Return a server of our own, to kill."""
    try:
        with find_postgres(programs=os.environ.get("OEVENTDB_TEST_POSTGRES")) as found:
            if found.local is None:
                pytest.skip("a server in a container is not ours to kill")
            yield found.local
    except OperationError as error:
        if os.environ.get("OEVENTDB_REQUIRE_SERVERS") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture
def sea(server: LocalPostgres) -> str:
    """Return the DSN of a migrated database on a server where what is committed survives a kill."""
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE sea")
        # the servers of the tests commit into memory; told so here, a kill of all processes loses nothing
        connection.execute("ALTER DATABASE sea SET synchronous_commit = on")
        connection.execute("ALTER DATABASE sea SET deadlock_timeout = '100ms'")
    dsn = server.conninfo("sea")
    schema.migrate(dsn)
    return dsn
