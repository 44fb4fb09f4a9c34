"""The tutorial runs from its first command to its last, and prints what it shows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs import reading

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = reading.DOCS / "tutorial.md"
# Every command would start and stop the server: one process more keeps it running.
KEEPER = "import sys; from oeventdb.servers.postgres import embedded; embedded('./shop'); sys.stdin.read()"
SETTING_UP = ("pip install", "export ")


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that a server running as another user can reach, unlike tmp_path."""
    path = Path(tempfile.mkdtemp(prefix="oeventdb-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def environment(elasticsearch: str) -> dict[str, str]:
    """What the reader has set: the servers, and the commands on the path."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        "PATH": programs,
        "HOME": os.environ.get("HOME", "/"),
        "COLUMNS": "100",
        "OEVENTDB_DSN": "embedded:./shop",
        "OEVENTDB_ELASTICSEARCH_URL": elasticsearch,
        "OEVENTDB_ALIAS": f"tutorial-{uuid.uuid4().hex[:8]}",
    }


@pytest.mark.skipif(
    "OEVENTDB_TEST_POSTGRES" in os.environ, reason="the tutorial is about the embedded server"
)
def test_the_tutorial(home: Path, environment: dict[str, str]) -> None:
    output = ""
    kept = subprocess.Popen([sys.executable, "-c", KEEPER], cwd=home, env=environment, stdin=subprocess.PIPE)
    for block in reading.blocks(PAGE):
        if block.language == "python":
            (home / block.title).write_text(block.text, "utf-8")
        elif block.language == "text":
            assert _tidy(output) == _tidy(block.text)
        elif not any(words in block.text for words in SETTING_UP):
            output = _shell(block.text, home, environment)
    kept.communicate()
    assert kept.returncode == 0


def _shell(commands: str, home: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["sh", "-c", commands],
        check=False,
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert "Traceback" not in done.stdout
    return done.stdout


def _tidy(output: str) -> list[str]:
    """The lines that are not empty, without the space around them."""
    return [line.strip() for line in output.splitlines() if line.strip()]
