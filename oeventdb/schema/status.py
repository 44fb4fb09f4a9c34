"""How far a database has been migrated, and which version of each function it has."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from oeventdb import __version__
from oeventdb.schema import frozen, ledger, runner

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from oeventdb.schema.scripts import Migration

_CALLABLE = re.compile(
    r"^CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE) (?P<name>\w+\.\w+)\s*\(.*?"
    r"^AS (?P<quote>\$\w*\$)(?P<body>.*?)(?P=quote)",
    re.MULTILINE | re.DOTALL,
)

_BODIES = """
SELECT n.nspname || '.' || p.proname, p.prosrc
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname IN ('oeventdb', 'oeventdb_internal')
"""


@dataclass(frozen=True)
class Applied:
    """A migration of the ledger; `applied_at` None = interrupted."""

    id: str
    applied_at: datetime | None
    applied_by: str
    seconds: float | None
    adopted: bool


@dataclass(frozen=True)
class FunctionVersion:
    """The migration that last installed a function, and the sha256 of the body it installed.

    `current` tells whether the database has the body that this release installs.
    """

    name: str
    version: str
    hash: str
    current: bool


@dataclass(frozen=True)
class Status:
    """The state of a database beside this package; `database` is the last migration finished."""

    migrations: list[Applied]
    pending: list[str]
    functions: list[FunctionVersion]
    database: str | None
    package: str


@dataclass(frozen=True)
class Callable:
    """A function or procedure as a frozen copy defines it."""

    name: str
    body: str

    @property
    def hash(self) -> str:
        """The sha256 of the body in hex."""
        return hashlib.sha256(self.body.encode()).hexdigest()


def callables(script: str) -> list[Callable]:
    """Return what the frozen copies of a script define."""
    found = []
    for block in frozen.blocks(script):
        match = _CALLABLE.search(block.text)
        if match:
            found.append(Callable(match["name"], match["body"]))
    return found


def status(connection: psycopg.Connection[TupleRow]) -> Status:
    """Return what is applied and pending; writes nothing.

    An empty database has everything pending. Raises Refused as `migrate` would: for a database
    that is not ours, and where an applied migration was edited, is missing, or is newer than
    this package.
    """
    migrations = runner.load()
    entries = ledger.verified(connection, migrations)
    finished = ledger.finished(entries)
    applied = [Applied(e.id, e.finished_at, e.applied_by, e.seconds, e.adopted) for e in entries]
    return Status(
        migrations=applied,
        pending=_pending(entries, migrations),
        functions=_functions(connection, migrations, finished),
        database=finished[-1] if finished else None,
        package=__version__,
    )


def pending(connection: psycopg.Connection[TupleRow]) -> list[str]:
    """Return the migrations of this package that the database has not finished."""
    return _pending(ledger.read(connection), runner.load())


def _pending(entries: list[ledger.Entry], migrations: list[Migration]) -> list[str]:
    finished = ledger.finished(entries)
    return [migration.id for migration in migrations if migration.id not in finished]


def installed_by(migrations: list[Migration]) -> dict[str, tuple[str, Callable]]:
    """Return each function by name, with the last of the migrations that installs it."""
    found: dict[str, tuple[str, Callable]] = {}
    for migration in migrations:
        for path in frozen.gone(migration.apply.text):
            name = path.rpartition("/")[2].removesuffix(".sql")
            found = {key: value for key, value in found.items() if key.split(".")[1] != name}
        for function in callables(migration.apply.text):
            found[function.name] = (migration.id, function)
    return found


def _functions(
    connection: psycopg.Connection[TupleRow], migrations: list[Migration], finished: list[str]
) -> list[FunctionVersion]:
    live = {str(name): str(body) for name, body in connection.execute(_BODIES).fetchall()}
    newest = installed_by(migrations)
    installed = installed_by([m for m in migrations if m.id in finished])
    return [
        FunctionVersion(
            name,
            migration,
            function.hash,
            name in newest and live.get(name) == newest[name][1].body,
        )
        for name, (migration, function) in sorted(installed.items())
    ]
