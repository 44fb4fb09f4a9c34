"""Running servers that refuse to run as root, from files such a user can reach."""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SYSTEM_USER = "oeventdb"
_MEMORY, _TMP = Path("/dev/shm"), Path("/tmp")  # noqa: S108
_ROOM = 4 << 30


@dataclass(frozen=True)
class User:
    """A system user to start servers as."""

    name: str
    uid: int
    gid: int


@functools.cache
def server_user() -> User | None:
    """Return the user to start servers as, or None when that is simply us.

    PostgreSQL and Elasticsearch refuse to run as root. Root gets the system user `oeventdb`,
    made on first need, or `nobody` where users cannot be made.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--user-group", _SYSTEM_USER]
        try:
            subprocess.run(command, check=True, capture_output=True)
            entry = pwd.getpwnam(_SYSTEM_USER)
        except (OSError, subprocess.CalledProcessError, KeyError):
            entry = pwd.getpwnam("nobody")
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid)


def process_options() -> dict[str, Any]:
    """Return the arguments for subprocess that make a child run as the server user."""
    user = server_user()
    if user is None:
        return {}
    return {"user": user.uid, "group": user.gid, "extra_groups": []}


def give(path: Path) -> None:
    """Make the server user own a file or a directory, and nothing that is in it."""
    user = server_user()
    if user is not None:
        os.chown(path, user.uid, user.gid, follow_symlinks=False)


def blocked_by(path: Path) -> Path | None:
    """Return the directory above path that the server user cannot enter, if there is one."""
    user = server_user()
    if user is None:
        return None
    for directory in reversed(path.resolve().parents):
        status = directory.stat()
        if status.st_uid == user.uid:
            allowed = status.st_mode & stat.S_IXUSR
        elif status.st_gid == user.gid:
            allowed = status.st_mode & stat.S_IXGRP
        else:
            allowed = status.st_mode & stat.S_IXOTH
        if not allowed:
            return directory
    return None


def can_execute(program: Path) -> bool:
    """Tell whether the server user can run a program."""
    if server_user() is None:
        return os.access(program, os.X_OK)
    mode = program.stat().st_mode
    return blocked_by(program) is None and mode & 0o005 == 0o005


def cache_directory() -> Path:
    """Return the directory for unpacked servers, made on first need.

    Root's lies outside its home, which the server user cannot enter.
    """
    if server_user() is not None:
        path = Path("/var/cache/oeventdb")
    else:
        path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "oeventdb"
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    return path


def scratch_directory(prefix: str, *, in_memory: bool) -> Path:
    """Make a directory for what a server writes; in /tmp, whose path is short and open to all.

    With `in_memory` it is on a file system in memory, where there is one with room enough:
    databases are made and dropped there several times faster.
    """
    for directory in (_MEMORY, _TMP) if in_memory else (_TMP,):
        if os.access(directory, os.W_OK) and shutil.disk_usage(directory).free >= _ROOM:
            return Path(tempfile.mkdtemp(prefix=prefix, dir=directory))
    return Path(tempfile.mkdtemp(prefix=prefix))


def open_to_all(tree: Path) -> None:
    """Let every user read a directory and all below it, and execute what its owner can."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            execute = 0o055 if mode & stat.S_IXUSR else 0o044
            path.chmod(mode | execute)


def readable_copy(tree: Path, name: str) -> Path:
    """Return a copy of a directory in the cache that the server user can read and execute.

    The copy is made once for each name and appears whole or not at all.
    """
    target = cache_directory() / name
    if target.is_dir():
        return target
    unfinished = target.with_name(f"{name}.{os.getpid()}")
    shutil.copytree(tree, unfinished, symlinks=True)
    open_to_all(unfinished)
    try:
        unfinished.rename(target)
    except OSError:  # another process finished the same copy first
        shutil.rmtree(unfinished)
    return target
