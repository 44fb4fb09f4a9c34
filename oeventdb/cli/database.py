"""The transaction of a command that looks at the database once or changes one thing in it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from oeventdb import schema
from oeventdb.connection import limit_waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg
    from psycopg.rows import TupleRow

    from oeventdb.cli.options import Settings


@contextmanager
def transaction(settings: Settings, *, read_only: bool = False) -> Iterator[psycopg.Connection[TupleRow]]:
    """Connect for one transaction, committed at the end, that waits for no lock for ever."""
    with schema.connect(settings.dsn) as connection:
        if read_only:
            connection.read_only = True
        limit_waiting(connection)
        yield connection
