"""The command line is tested without what the shell around the tests has set."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.startswith("OEVENTDB_") and not variable.startswith("OEVENTDB_TEST_"):
            monkeypatch.delenv(variable)
