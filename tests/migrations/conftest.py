"""What the tests of the runner start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.migrations.toys import Toys


@pytest.fixture
def toys(tmp_path: Path, empty: str) -> Toys:
    """Return a directory for migrations, with an empty database to run them on."""
    directory = tmp_path / "migrations"
    directory.mkdir()
    return Toys(directory, empty)
