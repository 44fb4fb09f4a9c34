"""What the tests of holders with several sessions begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import samples

if TYPE_CHECKING:
    from tests.procedures.sessions import Session


@pytest.fixture
def event(setup: Session) -> int:
    """An event of this test alone."""
    return samples.event(setup.connection)
