"""A Redis of the tests' own: Debian's server on a unix socket, which keeps nothing."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oeventdb.errors import OperationError


@dataclass(frozen=True)
class Redis:
    """A running server: its URL as Celery takes it, and what it is in words."""

    url: str
    description: str


@contextmanager
def redis_server() -> Iterator[Redis]:
    """Yield a server that is gone afterwards; raise OperationError where none is installed."""
    program = shutil.which("redis-server")
    if program is None:
        raise OperationError("no Redis", hint="install redis-server")
    home = Path(tempfile.mkdtemp(prefix="oeventdb-redis-", dir="/tmp"))
    path = home / "redis.sock"
    process = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=home,
    )
    try:
        _wait_until_ready(path, process)
        yield Redis(f"redis+socket://{path}", f"Redis {_version(program)} of this machine")
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(home, ignore_errors=True)


def _version(program: str) -> str:
    done = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    return done.stdout.partition("v=")[2].split()[0]


def _wait_until_ready(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                assert process.poll() is None, "Redis stopped"
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return
