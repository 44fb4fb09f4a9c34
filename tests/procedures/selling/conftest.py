"""What the tests of selling start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.procedures.selling.shop import Shop

if TYPE_CHECKING:
    import psycopg


@pytest.fixture
def shop(rules: psycopg.Connection) -> Shop:
    """Return an event to sell tickets of; all is undone after the test."""
    return Shop(rules)
