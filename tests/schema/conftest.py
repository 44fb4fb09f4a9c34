"""What the tests of the schema tools start from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.roles import Roles

if TYPE_CHECKING:
    from oeventdb.servers.postgres import Postgres


@pytest.fixture
def roles(postgres: Postgres) -> Iterator[Roles]:
    """Return a maker of roles and of databases they own."""
    made = Roles(postgres.dsn)
    yield made
    made.close()


@pytest.fixture
def owned(roles: Roles) -> str:
    """Return the DSN of an empty database for its owner, an ordinary role."""
    return roles.database(roles.create("owner"))
