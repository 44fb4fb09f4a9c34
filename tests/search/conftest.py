"""An alias of its own for each test, and rows to index."""

from __future__ import annotations

import importlib
import urllib.parse
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.search.elastic import Elastic
from tests.search.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg


@pytest.fixture
def elastic(elasticsearch: str) -> Iterator[Elastic]:
    """Return Elasticsearch with an alias that no other test uses."""
    elastic = Elastic(elasticsearch, f"test{uuid.uuid4().hex[:12]}")
    yield elastic
    elastic.clear()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have verify hardly wait for workers: none runs beside it, but in the tests that have pauses of their own."""
    # not by its name, which is that of the function in oeventdb.search
    monkeypatch.setattr(importlib.import_module("oeventdb.search.verify"), "_PAUSES", (0.1, 0.1))


@pytest.fixture
def proxy(elasticsearch: str) -> Iterator[Proxy]:
    """Return a proxy in front of Elasticsearch that lets everything pass until told otherwise."""
    parts = urllib.parse.urlsplit(elasticsearch)
    assert parts.hostname is not None
    with Proxy(parts.hostname, parts.port or 80) as proxy:
        yield proxy


@pytest.fixture
def many(db: psycopg.Connection) -> int:
    """Insert events enough for many bulk requests; return how many."""
    db.execute(
        "INSERT INTO public.events (name, starts_at, ends_at, timezone, state, privacy, description)"
        " SELECT 'Event ' || g, now(), now(), 'UTC', 'published', 'public', repeat('words and words ', 60)"
        " FROM generate_series(1, 3000) AS g"
    )
    return 3000
