"""The documents of the index in a file, for who has no Elasticsearch at hand: whole, or not there."""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from oeventdb.progress import Report, silent
from oeventdb.search.export import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Exported:
    """Documents written to a file as bulk NDJSON."""

    path: str
    documents: int
    seconds: float


def export_to_file(dsn: str, path: str, *, progress: Report = silent) -> Exported:
    """Write the NDJSON that reindex would send to a file, or to stdout for "-".

    A file is complete or not there: it is written under another name first. Raises OSError for
    a path that cannot be written.
    """
    started = time.monotonic()
    with _whole_file(path) as out, Snapshot(dsn) as snapshot:
        written = 0
        documents = snapshot.count()
        for body in snapshot.bodies():
            out.write(body.ndjson)
            written += body.documents
            progress("export", written, documents)
    return Exported(path, written, round(time.monotonic() - started, 3))


@contextmanager
def _whole_file(path: str) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only when the block succeeds."""
    if path == "-":
        with _stdout() as out:
            yield out
        return
    target = Path(path)
    # such as /dev/stdout: what it leads to is open already, and perhaps written to before
    is_descriptor = target.is_symlink() and path.startswith(("/dev/", "/proc/"))
    if is_descriptor or (target.exists() and not target.is_file()):
        with target.open("ab") as device:
            yield device
        return
    # what has a link to it has that afterwards, too
    target = target.resolve()
    partial = None
    try:
        descriptor, partial = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(descriptor, "wb") as file:
            yield file
        Path(partial).chmod(_mode(target))
        Path(partial).replace(target)
    except BaseException as exc:
        if partial:
            Path(partial).unlink(missing_ok=True)
        if isinstance(exc, OSError):
            exc.filename, exc.filename2 = path, None
        raise


@contextmanager
def _stdout() -> Iterator[BinaryIO]:
    """Yield stdout as what writes all that it is given, or fails."""
    out = sys.stdout.buffer
    if isinstance(out, io.RawIOBase):
        # so it is with PYTHONUNBUFFERED: a disk that is getting full takes a part, and that is no error
        with os.fdopen(os.dup(out.fileno()), "wb") as whole:
            yield whole
        return
    yield out
    out.flush()


def _mode(path: Path) -> int:
    """Return the permissions that a file has, or a new one would get."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(path.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
