"""A pgbouncer in transaction mode in front of the tests' server."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from oeventdb.servers import unprivileged

POOL_SIZE = 4
PORT = 6432

_SETTINGS = """
[databases]
* = {target} pool_size={pool_size}
[pgbouncer]
unix_socket_dir = {home}
listen_addr =
listen_port = {port}
auth_type = any
pool_mode = transaction
logfile = {home}/pgbouncer.log
pidfile = {home}/pgbouncer.pid
"""


def _program() -> str | None:
    return shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")


def is_installed() -> bool:
    """Tell whether there is a pgbouncer on this machine."""
    return _program() is not None


@contextmanager
def pgbouncer(server: str) -> Iterator[str]:
    """Yield a conninfo that leads to the server through a pooler; give it a dbname."""
    program = _program()
    assert program is not None
    given = conninfo_to_dict(server)
    keys = [key for key in ("host", "port", "user", "password") if given.get(key)]
    home = Path(tempfile.mkdtemp(prefix="oeventdb-pool-", dir="/tmp"))
    target = " ".join(f"{key}={given[key]}" for key in keys)
    settings = home / "pgbouncer.ini"
    settings.write_text(_SETTINGS.format(target=target, home=home, port=PORT, pool_size=POOL_SIZE))
    unprivileged.give(home)
    unprivileged.give(settings)
    process = subprocess.Popen(
        [program, "-q", str(settings)],
        stderr=subprocess.DEVNULL,
        cwd="/",
        **unprivileged.process_options(),
    )
    try:
        conninfo = make_conninfo("", host=str(home), port=PORT, user=str(given.get("user")))
        _wait(make_conninfo(conninfo, dbname="postgres"), process)
        yield conninfo
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(home, ignore_errors=True)


def _wait(conninfo: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(conninfo).close()
        except psycopg.OperationalError:
            assert process.poll() is None, "pgbouncer stopped"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
