"""What the tests of the runner and of the migrations start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.migrations.surroundings import ROWS, run
from tests.migrations.toys import Toys


@pytest.fixture
def toys(tmp_path: Path, empty: str) -> Toys:
    """Return a directory for migrations, with an empty database to run them on."""
    directory = tmp_path / "migrations"
    directory.mkdir()
    return Toys(directory, empty)


@pytest.fixture
def dirty(legacy: str) -> str:
    """The DSN of a legacy database with three holders too many."""
    run(legacy, ROWS)
    return legacy
