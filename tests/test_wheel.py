"""The wheel is enough: installed in an empty environment, it migrates a database from anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _run(*command: str | Path, cwd: Path) -> str:
    """Run a command without this checkout's environment and return its stdout."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OEVENTDB"))
    }
    done = subprocess.run(command, check=False, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built from this checkout."""
    directory = tmp_path_factory.mktemp("wheel")
    _run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", directory, ROOT, cwd=directory
    )
    [built] = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin directory of an environment with nothing but the wheel and what it requires."""
    directory = tmp_path_factory.mktemp("environment")
    _run(sys.executable, "-m", "venv", "--without-pip", directory, cwd=directory)
    programs = directory / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "--disable-pip-version-check")
    _run(*pip, "install", "-q", "--no-compile", wheel, cwd=directory)
    return programs


def test_it_carries_every_sql_file_and_the_sample_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sql = {f"oeventdb/db/{path.relative_to(ROOT / 'db')}" for path in (ROOT / "db").rglob("*.sql")}
    assert sql
    assert sql <= names
    assert "oeventdb/py.typed" in names
    assert {name for name in names if name.startswith("oeventdb/demo/data/")}


def test_it_carries_nothing_that_is_not_for_its_users(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"oeventdb"}


def test_it_migrates_a_database_from_another_directory(
    wheel: Path, environment: Path, empty: str, tmp_path: Path
) -> None:
    oeventdb = environment / "oeventdb"
    where = _run(
        environment / "python",
        "-c",
        "from oeventdb import resources; print(resources.db_path())",
        cwd=tmp_path,
    )
    assert Path(where.strip()).is_relative_to(environment.parent.resolve())
    applied = json.loads(_run(oeventdb, "migrate", "--json", "--dsn", empty, cwd=tmp_path))["applied"]
    carried = (Path(name) for name in zipfile.ZipFile(wheel).namelist())
    scripts = sorted(path.stem for path in carried if path.parts[1:3] == ("db", "migrations"))
    assert applied == [name for name in scripts if name[0].isdigit() and not name.endswith(".rollback")]
    status = json.loads(_run(oeventdb, "status", "--json", "--dsn", empty, cwd=tmp_path))
    assert status["pending"] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extra", ["flask", "celery"])
def test_what_needs_an_extra_says_which(environment: Path, tmp_path: Path, extra: str) -> None:
    command = [str(environment / "python"), "-c", f"import oeventdb.{extra}"]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, env={})
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: No module named ")
    assert last.endswith(f": install oeventdb[{extra}]")
