"""A PostgreSQL server that we start ourselves, on a unix socket unless told otherwise."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.conninfo import make_conninfo

from oeventdb.errors import DatabaseUnreachable
from oeventdb.servers import unprivileged

if TYPE_CHECKING:
    from collections.abc import Mapping

SUPERUSER = "postgres"

# Linux allows 107 bytes for the path of a unix socket, macOS 103.
_LONGEST_SOCKET_PATH = 103
_SOCKET_NAME = ".s.PGSQL.5432"
_START_SECONDS = 60
_STOP_SECONDS = 60
_UNFINISHED = ".initdb-"
_STOP_SIGNALS = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}


class LocalPostgres:
    """A cluster in `home`/pgdata, run by the programs in `bindir`.

    `home` also gets the server's log, and the socket unless its path is none for one.
    Socket and log are closed to other users, also in a directory that is open: whoever can use the
    socket is the superuser.
    Every failure to start is a DatabaseUnreachable that names the log.
    """

    def __init__(self, bindir: Path, home: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.bindir = bindir
        self.home = home.resolve()
        self.data = self.home / "pgdata"
        self.log = self.home / "server.log"
        self._settings = dict(settings or {})

    @property
    def version(self) -> str:
        """The version of the programs, e.g. '18.4'."""
        return self._run("postgres", "--version").split()[2]

    def conninfo(self, dbname: str = "postgres") -> str:
        """Return the conninfo of a database of the running server."""
        socket = self._pidfile_line(4)
        if not socket:
            raise DatabaseUnreachable(f"the server in {self.home} is not running")
        port = self._pidfile_line(3)
        return make_conninfo("", host=socket, port=port, user=SUPERUSER, dbname=dbname)

    def running(self) -> bool:
        """Tell whether the server runs; a stale pid file is no server."""
        return self._pid() is not None

    def start(self) -> None:
        """Make the cluster if there is none, and start the server if it does not run."""
        if not (self.data / "PG_VERSION").exists():
            self._create()
        if self.running():
            return
        self._forget_killed()
        options = {"listen_addresses": "", "port": "5432", **self._settings}
        options["unix_socket_directories"] = str(self._socket_directory())
        options["unix_socket_permissions"] = "0700"
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        # The shell lets go of the server, so that it is no child of ours and may outlive us; its
        # own session keeps a Ctrl-C at our terminal from a server that others share.
        server = [str(self.bindir / "postgres"), "-D", str(self.data), *arguments]
        started = self._run_command(
            ["sh", "-c", 'umask 077; "$@" >>"$0" 2>&1 & echo $!', str(self.log), *server]
        )
        self._wait_until_ready(int(started))

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; mode is one of pg_ctl's: smart, fast, immediate."""
        pid = self._pid()
        if pid is None:
            return
        socket = Path(self._pidfile_line(4) or self.home)
        os.kill(pid, _STOP_SIGNALS[mode])
        self._wait_until_gone([pid], _STOP_SECONDS)
        if socket != self.home:
            shutil.rmtree(socket, ignore_errors=True)

    def kill9(self) -> None:
        """Kill the server and all its processes as a power cut would; wait until they are gone.

        Call start() to have it recover.
        """
        pid = self._pid()
        if pid is None:
            return
        doomed = [pid, *_children(pid)]
        for victim in doomed:
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        self._wait_until_gone(doomed, _STOP_SECONDS)

    def destroy(self) -> None:
        """Stop the server and delete its home."""
        self.stop("immediate")
        shutil.rmtree(self.home, ignore_errors=True)

    def _create(self) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        blocked = unprivileged.blocked_by(self.home)
        user = unprivileged.server_user()
        if blocked is not None and user is not None:
            raise DatabaseUnreachable(
                f"the user {user.name} cannot enter {blocked}, and PostgreSQL refuses to run as root",
                hint="choose a directory outside it, such as one in /var/lib or /tmp",
            )
        if self.data.exists() and any(self.data.iterdir()):
            raise DatabaseUnreachable(f"{self.data} is not empty and holds no PostgreSQL cluster")
        unprivileged.give(self.home)
        for unfinished in self.home.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        # under another name until it is whole: half a cluster, of an initdb that was killed, would start and never be ready
        unfinished = self.home / f"{_UNFINISHED}{uuid.uuid4().hex}"
        # Locale C: the same order of text on every machine; UTF-8: what the domain stores.
        self._run(
            "initdb",
            *("-D", str(unfinished), "-U", SUPERUSER, "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--no-instructions"),
        )
        unfinished.rename(self.data)
        self._sync_home()

    def _sync_home(self) -> None:
        """Have the name of the new cluster outlast a power cut, as what is committed to it will."""
        directory = os.open(self.home, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    def _socket_directory(self) -> Path:
        # a comma would make two directories of it
        if len(os.fsencode(self.home / _SOCKET_NAME)) <= _LONGEST_SOCKET_PATH and "," not in str(self.home):
            return self.home
        short = Path(tempfile.mkdtemp(prefix="oeventdb-", dir="/tmp"))
        unprivileged.give(short)
        return short

    def _pidfile_line(self, number: int) -> str | None:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()[number]
        except (FileNotFoundError, IndexError):
            return None

    def _pid(self) -> int | None:
        """Return the process of the server; a pid file outlives it, and its number may be a stranger's by then."""
        line = self._pidfile_line(0)
        # ps shows what is not ASCII as its locale has it
        ours = ".+".join(re.escape(part) for part in re.split(r"[^ -~]+", f" -D {self.data}"))
        found = re.search(rf"{ours}\s", _ps("-ww", "-p", line, "-o", "args=")) if line else None
        return int(line) if line and found else None

    def _forget_killed(self) -> None:
        """Delete the lock files of a killed server: its number, not reaped yet or another's by now, passes for living."""
        socket = self._pidfile_line(4)
        if socket:
            for path in Path(socket).glob(".s.PGSQL.*"):
                path.unlink(missing_ok=True)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _wait_until_ready(self, pid: int) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while (self._pidfile_line(7) or "").strip() != "ready":
            if not _alive(pid):
                log = self.log.read_text(errors="replace") if self.log.exists() else ""
                raise DatabaseUnreachable(
                    f"{_last_words(log) or 'PostgreSQL did not start'} (log: {self.log})"
                )
            if time.monotonic() > deadline:
                raise DatabaseUnreachable(
                    f"PostgreSQL was not ready after {_START_SECONDS} s (log: {self.log})"
                )
            time.sleep(0.02)

    def _wait_until_gone(self, pids: list[int], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while any(_alive(pid) for pid in pids):
            if time.monotonic() > deadline:
                raise DatabaseUnreachable(f"PostgreSQL did not stop in {seconds} s (log: {self.log})")
            time.sleep(0.02)

    def _run(self, program: str, *arguments: str) -> str:
        """Run one of the server's programs to its end and return its output."""
        return self._run_command([str(self.bindir / program), *arguments])

    def _run_command(self, command: list[str]) -> str:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            start_new_session=True,
            **unprivileged.process_options(),
        )
        if done.returncode != 0:
            why = _last_words(done.stderr) or f"exit status {done.returncode}"
            raise DatabaseUnreachable(f"{Path(command[0]).name} failed: {why}")
        return done.stdout


def _last_words(log: str) -> str:
    """Return the line that says why a program of the server gave up, if there is any."""
    lines = log.strip().splitlines()
    fatal = (line for line in reversed(lines) if "FATAL" in line or ": error: " in line)
    return next(fatal, lines[-1] if lines else "")


def _children(parent: int) -> list[int]:
    pairs = (line.split() for line in _ps("-A", "-o", "pid=,ppid=").splitlines())
    return [int(pid) for pid, ppid in pairs if int(ppid) == parent]


def _alive(pid: int) -> bool:
    """Tell whether a process runs; one that is dead but not yet reaped does not."""
    state = _ps("-p", str(pid), "-o", "stat=").strip()
    return bool(state) and not state.startswith("Z")


def _ps(*options: str) -> str:
    return subprocess.run(
        ["ps", *options], check=False, capture_output=True, text=True, errors="replace"
    ).stdout
