"""A plugin for pytest: every test that asks for a migrated database gets a copy of the mutant instead."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import Phase, settings

VARIABLE = "OEVENTDB_MUTANT"

# that a history fails is enough: to find the shortest that does would take minutes; the same ones each time, as in the full run
settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate), derandomize=True)
settings.load_profile("mutants")


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> str | None:
    """Answer for the fixture `migrated_template` with the name of the mutant's database."""
    if fixturedef.argname != "migrated_template":
        return None
    name = os.environ[VARIABLE]
    fixturedef.cached_result = (name, fixturedef.cache_key(request), None)  # type: ignore[arg-type]
    return name
