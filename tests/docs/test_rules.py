"""Each rule's page shows the rule through psql, Python and HTTP; all of it runs and ends as shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from oeventdb.servers.postgres import embedded_programs
from tests.docs import doors, reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Databases

DOORS = ("psql", "Python", "HTTP")
PAGES = sorted(path for path in (reading.DOCS / "rules").glob("*.md") if path.name != "index.md")


@pytest.fixture(scope="module")
def shop(databases: Databases, migrated_template: str) -> str:
    """The name of a database with the shop of the examples, to copy."""
    dsn = databases.create(migrated_template)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute((reading.DOCS / "assets" / "shop.sql").read_bytes())
    return str(conninfo_to_dict(dsn)["dbname"])


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_end_as_shown(
    page: Path, door: str, shop: str, new_database: Callable[[str], str]
) -> None:
    examples = [block for block in reading.blocks(page) if block.tab == door]
    assert examples, f"{page.name} has no example for {door}"
    dsn = new_database(shop)
    names = doors.names(dsn)
    with names["connection"]:
        for block in examples:
            doors.run(door, block, dsn, names, embedded_programs() / "psql")
