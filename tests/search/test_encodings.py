"""Databases of other encodings: what is not UTF-8 holds up nothing else."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from oeventdb import schema, search
from oeventdb.errors import OperationError, Refused
from tests import samples
from tests.search.test_set_aside import refusal
from tests.search.test_sync import lag, once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy

_SPOIL = """UPDATE public.events SET name = E'caf\\xe9' WHERE id = %s"""


@pytest.fixture
def encoded(request: pytest.FixtureRequest, empty: str) -> Iterator[str]:
    """Return the DSN of a migrated database of the encoding that the test is for."""
    name = f"oeventdb_test_{uuid.uuid4().hex[:12]}"
    create = sql.SQL("CREATE DATABASE {} ENCODING {} LOCALE 'C' TEMPLATE template0")
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier(name), sql.Literal(request.param)))
        try:
            dsn = make_conninfo(empty, dbname=name)
            schema.migrate(dsn)
            yield dsn
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def spoiled(dsn: str) -> tuple[int, int]:
    """Insert an event and one whose name is not UTF-8; return their ids."""
    with schema.connect(dsn, autocommit=True) as connection:
        good, bad = samples.event(connection, name="café"), samples.event(connection)
        connection.execute(_SPOIL.encode(), (bad,))
    return good, bad


@pytest.mark.parametrize("encoded", ["SQL_ASCII"], indirect=True)
def test_a_text_that_is_not_utf_8_is_set_aside(encoded: str, elastic: Elastic) -> None:
    search.reindex(encoded, elastic.url, alias=elastic.alias)
    good, bad = spoiled(encoded)
    done = once(encoded, elastic)
    assert (done.documents, done.dead) == (1, 1)
    assert {event: document["name"] for event, (_, document) in elastic.documents().items()} == {good: "café"}
    with schema.connect(encoded, autocommit=True) as connection:
        assert lag(connection) == (0, 1)
        letters = connection.execute("SELECT event_id, reason FROM oeventdb_internal.search_dead_letters")
        assert letters.fetchall() == [(bad, "its text is not UTF-8")]
        connection.execute("UPDATE public.events SET name = 'cafe' WHERE id = %s", (bad,))
    assert once(encoded, elastic).documents == 1
    assert search.verify(encoded, elastic.url, alias=elastic.alias).left == 0


@pytest.mark.parametrize("encoded", ["SQL_ASCII"], indirect=True)
def test_a_rebuild_names_the_event_whose_text_is_not_utf_8(
    encoded: str, elastic: Elastic, tmp_path: Path
) -> None:
    _, bad = spoiled(encoded)
    with pytest.raises(Refused, match=f"event {bad} is not UTF-8"):
        search.reindex(encoded, elastic.url, alias=elastic.alias)
    with pytest.raises(Refused, match=f"event {bad} is not UTF-8"):
        search.export_to_file(encoded, str(tmp_path / "documents"))
    assert elastic.indices() == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoded", ["SQL_ASCII"], indirect=True)
def test_what_is_not_utf_8_any_more_during_a_rebuild_is_named(encoded: str, elastic: Elastic) -> None:
    with schema.connect(encoded, autocommit=True) as connection:
        bad = samples.event(connection)

        def spoil(_: str, done: int, *__: object) -> None:
            if done:
                connection.execute(_SPOIL.encode(), (bad,))

        with pytest.raises(OperationError, match=f"event {bad} was refused: its text is not UTF-8"):
            search.reindex(encoded, elastic.url, alias=elastic.alias, progress=spoil)
    assert elastic.indices() == {}


@pytest.mark.parametrize("encoded", ["LATIN1"], indirect=True)
def test_a_reason_that_the_database_has_no_letters_for_is_kept(
    encoded: str, elastic: Elastic, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oeventdb.search.outbox._TRIES", 1)
    monkeypatch.setattr("oeventdb.search.outbox._TRIED_FOR", 0)
    search.reindex(encoded, elastic.url, alias=elastic.alias)
    said = '{"error":"запрещено"}'.encode()
    proxy.verdict = lambda chunk: refusal(403, said) if b"<script>" in chunk else True
    with schema.connect(encoded, autocommit=True) as connection:
        samples.event(connection, name="café")
        samples.event(connection, name="<script>")
        done = once(encoded, elastic, proxy.url)
        assert (done.documents, done.dead, lag(connection)) == (1, 1, (0, 1))
        row = connection.execute("SELECT reason FROM oeventdb_internal.search_dead_letters").fetchone()
    assert row is not None
    assert row[0].endswith("HTTP 403: " + r"\u0437\u0430\u043f\u0440\u0435\u0449\u0435\u043d\u043e")
