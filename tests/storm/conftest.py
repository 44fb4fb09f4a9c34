"""A database for the storm, on a server that it kills."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import schema

if TYPE_CHECKING:
    from oeventdb.servers.local_postgres import LocalPostgres


@pytest.fixture
def sea(mortal: LocalPostgres) -> str:
    """Return the DSN of a migrated database on a server where what is committed survives a kill."""
    with psycopg.connect(mortal.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE sea")
        # the servers of the tests commit into memory; told so here, a kill of all processes loses nothing
        connection.execute("ALTER DATABASE sea SET synchronous_commit = on")
        connection.execute("ALTER DATABASE sea SET deadlock_timeout = '100ms'")
    dsn = mortal.conninfo("sea")
    schema.migrate(dsn)
    return dsn
