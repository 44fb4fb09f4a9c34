"""Connections to PostgreSQL, with failures that a person can act on."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.adapt import Buffer, Loader
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads

from oeventdb.errors import DatabaseUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.abc import Params, PQGen
    from psycopg.errors import Diagnostic

_Result = TypeVar("_Result")

CONNECT_TIMEOUT = 10
"""Seconds to wait for a server that does not answer, where neither DSN nor PGCONNECT_TIMEOUT says."""

_PROBES = {"idle": 60, "interval": 10, "count": 6}
_KEEPALIVES: dict[str, Any] = {
    "tcp_user_timeout": 120_000,
    **{f"keepalives_{name}": value for name, value in _PROBES.items()},
}
"""A server whose machine or network is gone is noticed after two minutes, not after the system's two hours."""

_LONGEST_SILENCE = 120.0
"""Seconds without a word from the server after which it is asked, by a new connection, whether it answers at all."""

_LONGEST_ANSWER = 60.0
"""Seconds that it then has, as it may have a lot to do."""

_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
"""What a client may begin with: it is answered before a login is, so also where that waits for a pooler or for LDAP."""

SERVER_KEEPALIVES = {f"tcp_keepalives_{name}": str(value) for name, value in _PROBES.items()}
"""Settings by which the server notices a client that is gone, as soon as the client would notice the server."""

_EMBEDDED = "embedded:"
_HOSTS = re.compile(r"(?:/[^,]*|@?[^@,]*)(?:,(?:/[^,]*|@?[^@,]*))*")  # directories, abstract sockets, names
_PORTS = re.compile(r"[\s\d,+-]*", re.ASCII)
_LONGEST_WAIT = "2min"

_PINNED = {"search_path": "pg_catalog, pg_temp"}

_UNHINDERED = {
    **_PINNED,
    # compiling took up to half a second of an audit or a rebuild, and made nothing faster
    "jit": "off",
    "row_security": "off",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    **SERVER_KEEPALIVES,
}


class _Connection(psycopg.Connection[TupleRow]):
    """Is lost as well where the server, or what stands before it, keeps the connection and does not answer any more.

    A statement may take long without a word, so silence alone is no sign: nobody else is answered any more, either.
    """

    def wait(self, gen: PQGen[_Result], *args: Any, **kwargs: Any) -> _Result:
        """Wait as psycopg does, while the server answers."""
        try:
            wanted = next(gen)
        except StopIteration as end:
            # it was here already, as most rows of a COPY are
            result: _Result = end.value
            return result
        return super().wait(self._heard(gen, wanted), *args, **kwargs)

    def _heard(self, gen: PQGen[_Result], wanted: Any) -> PQGen[_Result]:
        heard = time.monotonic()
        try:
            ready = yield wanted
            while True:
                if ready:
                    heard = time.monotonic()
                elif time.monotonic() - heard > _LONGEST_SILENCE:
                    self._require_answer()
                    heard = time.monotonic()
                ready = yield gen.send(ready)
        except StopIteration as end:
            result: _Result = end.value
            return result

    def _require_answer(self) -> None:
        try:
            with socket.socket(fileno=os.dup(self.pgconn.socket)) as ours:
                family, server = ours.family, ours.getpeername()
            with socket.socket(family) as other:
                other.settimeout(_LONGEST_ANSWER)
                other.connect(server)
                other.sendall(_SSL_REQUEST)
                other.recv(1)
        except TimeoutError:
            self.pgconn.finish()
            raise psycopg.OperationalError("the server keeps the connection, but does not answer") from None
        except OSError:
            logging.getLogger(__name__).debug("the server answers, if only to refuse another connection")


def conninfo(dsn: str) -> str:
    """Return the libpq URL or conninfo for a DSN; starts the server of an `embedded:DIR`.

    Raises DatabaseUnreachable where libpq could not read the DSN, without repeating it.
    """
    if dsn.startswith(_EMBEDDED):
        from oeventdb.servers.postgres import embedded

        return embedded(dsn.removeprefix(_EMBEDDED))
    try:
        given = conninfo_to_dict(dsn)
    except (psycopg.ProgrammingError, UnicodeEncodeError):
        raise DatabaseUnreachable(
            "the DSN cannot be read",
            hint="give a libpq URL, 'key=value ...' pairs, or embedded:DIR",
        ) from None
    if not (
        _HOSTS.fullmatch(str(given.get("host") or "")) and _PORTS.fullmatch(str(given.get("port") or ""))
    ):
        # libpq would show them, and after user:p@ss or user:p/ss in a URL they are pieces of the password
        raise DatabaseUnreachable(
            "the host or port in the DSN is none",
            hint="in a URL, write an IPv6 address in brackets, and @ as %40 and / as %2F where they are of the password",
        )
    return dsn


def connect(dsn: str, **kwargs: Any) -> psycopg.Connection[TupleRow]:
    """Connect to the database of a DSN: a libpq URL or conninfo, or `embedded:DIR`.

    Keyword arguments are psycopg's. Statements are not prepared unless asked for, because a
    pooler may give each transaction another session. Transactions are READ COMMITTED and dates
    are ISO, whatever the role has. Warnings of the server are logged.
    Raises DatabaseUnreachable (server, password, database), with one line that has no secrets.
    """
    target = conninfo(dsn)
    given = conninfo_to_dict(target)
    if "connect_timeout" not in given and "PGCONNECT_TIMEOUT" not in os.environ:
        kwargs.setdefault("connect_timeout", CONNECT_TIMEOUT)
    if "client_encoding" not in given and "PGCLIENTENCODING" not in os.environ:
        # or a database that has no encoding, SQL_ASCII, would answer with bytes
        kwargs.setdefault("client_encoding", "UTF8")
    for name in _KEEPALIVES.keys() - given.keys():
        kwargs.setdefault(name, _KEEPALIVES[name])
    kwargs.setdefault("fallback_application_name", "oeventdb")
    kwargs.setdefault("prepare_threshold", None)
    try:
        connection = _Connection.connect(target, **kwargs)
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        # the latter is psycopg's own, for a value that it reads before libpq does
        message = _one_line(str(error), str(given.get("password") or ""))
        raise DatabaseUnreachable(message) from error
    except UnicodeError as error:
        # Python's, for a name that it could not even ask for
        raise DatabaseUnreachable("a part of the host's name is empty or too long") from error
    connection.add_notice_handler(_log_warning)
    _independent_of_the_role(connection)
    return connection


def pin_search_path(connection: psycopg.Connection[Any]) -> None:
    """Have the current transaction run PostgreSQL's own operators and functions, whatever others have put into public."""
    set_locally(connection, _PINNED)


def limit_waiting(connection: psycopg.Connection[Any]) -> None:
    """Have the current transaction wait two minutes for a lock and no longer, and be pinned, whatever the role has."""
    set_locally(connection, {**_PINNED, "lock_timeout": _LONGEST_WAIT})


def unhindered(connection: psycopg.Connection[Any], *, idle: str = "0") -> None:
    """Let the current transaction take its time, and be pinned, whatever timeouts the role or database has.

    It waits two minutes for a lock, and may be idle for a PostgreSQL interval ("0" = for ever). A
    client whose machine is gone is noticed in two minutes. Not the session: behind a pooler others
    get it next. Rows that a policy of row level security hides would be missing from what is read:
    to meet one is an error.
    """
    limits = {"idle_in_transaction_session_timeout": idle, "lock_timeout": _LONGEST_WAIT}
    set_locally(connection, _UNHINDERED | limits)


def known(settings: dict[str, str], server_version: int) -> dict[str, str]:
    """Leave transaction_timeout out for a server that has none: it came with PostgreSQL 17."""
    return {k: v for k, v in settings.items() if k != "transaction_timeout" or server_version >= 170000}


def local_settings(connection: psycopg.Connection[Any], settings: dict[str, str]) -> sql.Composed:
    """Return the statement that sets what the current transaction runs with."""
    set_one = sql.SQL("pg_catalog.set_config({}, {}, true)")
    calls = [set_one.format(*one) for one in known(settings, connection.info.server_version).items()]
    return sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls))


def set_locally(connection: psycopg.Connection[Any], settings: dict[str, str]) -> None:
    """Set what the current transaction runs with."""
    connection.execute(local_settings(connection, settings))


def value(
    connection: psycopg.Connection[Any], query: LiteralString | bytes, parameters: Params | None = None
) -> Any:
    """Return the first column of the first row that a query gives; None without a row."""
    row = connection.execute(query, parameters).fetchone()
    return None if row is None else row[0]


def has_no_encoding(connection: psycopg.Connection[Any]) -> bool:
    """Return whether texts of the database may be any bytes."""
    return connection.info.parameter_status("server_encoding") == "SQL_ASCII"


def storable(connection: psycopg.Connection[Any], text: str) -> str:
    """Return a text, with codes for its letters beyond ASCII where the encoding of the database may lack them."""
    if connection.info.parameter_status("server_encoding") in ("UTF8", "SQL_ASCII"):
        return text
    return text.encode("ascii", "backslashreplace").decode()


def as_bytes(connection: psycopg.Connection[Any]) -> None:
    """Have the current transaction send texts in UTF-8, and as they are where one that is not would be an error."""
    set_locally(connection, {"client_encoding": "SQL_ASCII" if has_no_encoding(connection) else "UTF8"})


def _readable(data: Buffer) -> str:
    return bytes(data).decode(errors="replace")


class _ReadableLoader(Loader):
    def load(self, data: Buffer) -> str:
        return _readable(data)


@contextmanager
def readable(connection: psycopg.Connection[Any], **kwargs: Any) -> Iterator[psycopg.Cursor[Any]]:
    """Yield a cursor that reads texts of any bytes: what is not UTF-8, as a database without encoding may have it, is U+FFFD.

    Keyword arguments are those of the cursor.
    """
    with connection.transaction(), connection.cursor(**kwargs) as cursor:
        if not has_no_encoding(connection):
            yield cursor
            return
        before = connection.info.parameter_status("client_encoding") or "UTF8"
        cursor.adapters.register_loader("text", _ReadableLoader)
        set_json_loads(
            lambda data: json.loads(_readable(data.encode() if isinstance(data, str) else data)), cursor
        )
        as_bytes(connection)
        yield cursor
        set_locally(connection, {"client_encoding": before})


def _independent_of_the_role(connection: psycopg.Connection[TupleRow]) -> None:
    """Undo what a role or database has set and our statements cannot do with."""
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    if not (connection.info.parameter_status("DateStyle") or "ISO").startswith("ISO"):
        # psycopg reads no others; a pooler keeps this setting for each of its clients
        connection.execute("SET DateStyle TO ISO")
        if not connection.autocommit:
            connection.commit()


def _log_warning(diagnostic: Diagnostic) -> None:
    if diagnostic.severity_nonlocalized == "WARNING":
        logging.getLogger(__name__).warning("%s", diagnostic.message_primary)


def _one_line(message: str, password: str) -> str:
    line = " ".join(message.split())
    return line.replace(password, "***") if password else line
