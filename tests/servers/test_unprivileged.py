"""Servers run as a user without privileges when we are root, from files that user can reach."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from oeventdb.servers import unprivileged

if TYPE_CHECKING:
    from pathlib import Path

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as another user")
as_user = pytest.mark.skipif(os.geteuid() == 0, reason="root runs servers as another user")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_tree_is_opened_to_all_without_making_data_executable(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    program, data = tree / "bin" / "program", tree / "data"
    program.touch(0o700)
    data.touch(0o600)
    tree.chmod(0o700)
    unprivileged.open_to_all(tree)
    assert (_mode(tree), _mode(program), _mode(data)) == (0o755, 0o755, 0o644)


@as_root
def test_root_starts_processes_as_another_user() -> None:
    done = subprocess.run(
        ["id", "-u"], check=True, capture_output=True, text=True, **unprivileged.process_options()
    )
    user = unprivileged.server_user()
    assert user is not None
    assert int(done.stdout) == user.uid != 0


@as_root
def test_a_closed_directory_is_found(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    inside = closed / "inside"
    inside.mkdir(parents=True)
    for directory in (inside, *inside.parents):
        if directory.name.startswith(("pytest-", "popen-")) or directory.is_relative_to(tmp_path):
            directory.chmod(0o755)
    assert unprivileged.blocked_by(inside) is None
    closed.chmod(0o700)
    assert unprivileged.blocked_by(inside) == closed
    unprivileged.give(closed)
    assert unprivileged.blocked_by(inside) is None


@as_root
def test_programs_that_only_root_reaches_are_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unprivileged, "cache_directory", lambda: tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    program = tmp_path / "installed" / "program"
    program.parent.mkdir(mode=0o700)
    program.touch(0o700)
    assert not unprivileged.can_execute(program)
    copy = unprivileged.readable_copy(program.parent, "copy-1")
    assert _mode(copy / "program") == 0o755
    program.unlink()
    assert unprivileged.readable_copy(program.parent, "copy-1") == copy
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["copy-1"]


@as_user
def test_others_start_processes_as_themselves() -> None:
    assert unprivileged.server_user() is None
    assert unprivileged.process_options() == {}
