"""Documents out of PostgreSQL: one snapshot, streamed as bytes that Elasticsearch takes as they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from oeventdb.connection import as_bytes, connect, has_no_encoding, unhindered, value
from oeventdb.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

BODY_BYTES = 2 * 1024 * 1024
"""A bulk request is sent once it is this large; one document alone may be larger."""

_COPY = "COPY (SELECT oeventdb_internal.search_bulk()) TO STDOUT (FORMAT binary)"

# The binary format: a header (signature, flags, length of an extension); for a row the number of
# columns and the length of the lines; at last two bytes.
_HEADER = 11 + 4 + 4
_PREFIX = 2 + 4


class Body(NamedTuple):
    """The NDJSON of a bulk request and how many documents it holds."""

    ndjson: bytes
    documents: int


class Snapshot:
    """What the index is to hold, as of one moment: a REPEATABLE READ transaction, only reading.

    It has a connection of its own, and none while nobody looks: one that is idle may be ended.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.position = ""
        """What the snapshot has seen, as PostgreSQL writes it (pg_snapshot)."""

    def __enter__(self) -> Snapshot:
        self.connection = connect(self._dsn, autocommit=True)
        try:
            self.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            unhindered(self.connection)
            self._look()
            # the bytes of the documents go out as they are, and JSON is UTF-8
            as_bytes(self.connection)
        except BaseException:
            self.connection.close()
            raise
        return self

    def _look(self) -> None:
        if not value(
            self.connection,
            "SELECT pg_catalog.to_regprocedure('oeventdb_internal.search_bulk()') IS NOT NULL",
        ):
            raise Refused("this database has no search documents yet", hint="run `oeventdb migrate` first")
        self.position = value(self.connection, "SELECT pg_catalog.pg_current_snapshot()::text")

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.connection.close()

    def count(self) -> int:
        """Return how many documents the snapshot has."""
        return int(value(self.connection, "SELECT oeventdb_internal.search_count()"))

    def bodies(self, size: int = BODY_BYTES) -> Iterator[Body]:
        """Yield the documents, by id, as bodies of bulk requests of about `size` bytes each."""
        pieces: list[bytes] = []
        held = 0
        header = _HEADER
        unchecked = has_no_encoding(self.connection)
        with self.connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            # libpq gives one row at a time; Python never looks into the lines of a document
            for row in copy:
                lines = bytes(row[header + _PREFIX :])
                header = 0
                if unchecked and not is_utf8(lines):
                    raise _not_utf8(lines)
                if lines:
                    pieces.append(lines)
                    held += len(lines)
                if held >= size:
                    yield Body(b"".join(pieces), len(pieces))
                    pieces, held = [], 0
        if pieces:
            yield Body(b"".join(pieces), len(pieces))


def is_utf8(lines: bytes) -> bool:
    """Tell whether a document can be sent: Elasticsearch would store what is no text."""
    try:
        lines.decode()
    except UnicodeDecodeError:
        return False
    return True


def _not_utf8(lines: bytes) -> Refused:
    event = json.loads(lines.partition(b"\n")[0])["index"]["_id"]
    hint = "correct it: in a database of encoding SQL_ASCII nothing else does"
    return Refused(f"the text of event {event} is not UTF-8", hint=hint)
