"""search: words and beginnings of words, in any field, and no private events unless asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from oeventdb import search
from oeventdb.cli import main
from oeventdb.errors import SearchUnavailable
from tests import samples
from tests.cli.running import one_line, run

if TYPE_CHECKING:
    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy


@pytest.fixture
def events(db: psycopg.Connection, migrated: str, elastic: Elastic) -> dict[str, int]:
    """Index a few events; return their ids by a short name."""
    ids = {
        "berlin": samples.event(
            db, name="PyCon DE", searchable_location_name="Berlin, Germany", description="A conference"
        ),
        "paris": samples.event(db, name="Python Day", searchable_location_name="Paris, France"),
        "text": samples.event(db, name="Meetup", description="All about <b>Python</b> &amp; C++ in Zürich"),
        "organizer": samples.event(db, name="Open Day", organizer_name="Berliner Verein"),
        "private": samples.event(db, name="Secret Python", privacy="private"),
    }
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    return ids


def found(elastic: Elastic, query: str, *, include_private: bool = False) -> list[int]:
    """Return the ids of the hits in their order."""
    answer = search.search(elastic.url, query, alias=elastic.alias, include_private=include_private)
    return [hit.id for hit in answer.hits]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("python", ["paris", "text"]),
        ("PYTHON", ["paris", "text"]),
        ("pyth", ["paris", "text"]),
        ("berl", ["berlin", "organizer"]),
        ("py berlin", ["berlin"]),
        ("berlin py", ["berlin"]),
        ("zürich", ["text"]),
        ("python paris zürich", []),
        ("nothing like it", []),
        ('"python" AND (paris', []),
        ("c++", ["text"]),
        ("pyth*", ["paris", "text"]),
        ("pari, 'pyth'", ["paris"]),
    ],
)
def test_every_word_is_found_in_some_field(
    elastic: Elastic, events: dict[str, int], query: str, names: list[str]
) -> None:
    assert found(elastic, query) == [events[name] for name in names]


def test_a_query_without_words_lists_everything_public(elastic: Elastic, events: dict[str, int]) -> None:
    assert set(found(elastic, " & ")) == set(found(elastic, "")) == set(events.values()) - {events["private"]}


def test_private_events_are_found_only_when_asked_for(elastic: Elastic, events: dict[str, int]) -> None:
    assert events["private"] not in found(elastic, "secret")
    assert found(elastic, "secret", include_private=True) == [events["private"]]


def test_several_aliases_show_no_private_events_either(
    db: psycopg.Connection, migrated: str, elastic: Elastic, events: dict[str, int]
) -> None:
    other = f"{elastic.alias}other"
    added = samples.event(db, name="Python Night")
    search.reindex(migrated, elastic.url, alias=other)
    both = f"{elastic.alias},{other}"
    names = ["paris", "paris", "text", "text"]
    assert sorted(hit.id for hit in search.search(elastic.url, "python", alias=both).hits) == sorted(
        [added, *(events[name] for name in names)]
    )
    private = search.search(elastic.url, "secret", alias=both, include_private=True)
    assert [hit.id for hit in private.hits] == [events["private"]] * 2


@pytest.mark.usefixtures("events")
def test_the_total_counts_what_the_limit_cuts_off(elastic: Elastic) -> None:
    answer = search.search(elastic.url, "python", alias=elastic.alias, limit=1)
    assert (answer.total, len(answer.hits)) == (2, 1)
    assert answer.hits[0].document["name"] == "Python Day"


def test_only_what_starts_later_and_near(db: psycopg.Connection, migrated: str, elastic: Elastic) -> None:
    berlin = {"latitude": 52.52, "longitude": 13.405}
    potsdam = {"latitude": 52.4, "longitude": 13.06}
    early = samples.event(db, starts_at=datetime(2026, 4, 30, 23, 59, tzinfo=UTC), **berlin)
    later = samples.event(db, starts_at=datetime(2026, 5, 1, tzinfo=UTC), **potsdam)
    samples.event(db, starts_at=datetime(2026, 6, 1, tzinfo=UTC))
    search.reindex(migrated, elastic.url, alias=elastic.alias)

    def ids(**filters: Any) -> set[int]:
        return {hit.id for hit in search.search(elastic.url, "pycon", alias=elastic.alias, **filters).hits}

    assert ids(near=(52.52, 13.405)) == {early, later}
    assert ids(near=(52.52, 13.405), within="20km") == {early}
    assert ids(near=(52.52, 13.405), starting=datetime(2026, 5, 1, tzinfo=UTC)) == {later}
    given = ("--elasticsearch-url", elastic.url, "--alias", elastic.alias, "--json")
    answer = run(main, "search", "pycon", "--near", "52.4,13.06", "--from", "2026-05-01", *given)
    assert [hit["id"] for hit in json.loads(answer.stdout)["hits"]] == [later]
    for wrong in (
        ["--near", "52.5"],
        ["--near", "91,0"],
        ["--near", "٥٢,13"],
        ["--near", "5_2,13"],
        ["--within", "5 miles"],
        ["--within", "0.0m"],
        ["--from", "soon"],
    ):
        assert run(main, "search", "pycon", *wrong, *given).exit_code == 2


def test_before_the_first_reindex_there_is_a_hint(elastic: Elastic) -> None:
    with pytest.raises(SearchUnavailable, match="no index behind the alias") as caught:
        found(elastic, "python")
    assert caught.value.hint == "run `oeventdb reindex` first"


@pytest.mark.usefixtures("events")
def test_an_endless_query_is_refused_in_one_line(elastic: Elastic) -> None:
    with pytest.raises(SearchUnavailable) as caught:
        found(elastic, "word " * 5000)
    assert len(str(caught.value)) < 1000


def test_what_no_event_can_be_is_no_hit(events: dict[str, int], elastic: Elastic) -> None:
    elastic.ask("PUT", f"/{elastic.alias}/_doc/abc?refresh=true", {"name": "PyCon"})
    assert found(elastic, "pycon") == [events["berlin"]]


def test_an_index_that_stores_no_source_gives_ids(
    db: psycopg.Connection, migrated: str, elastic: Elastic
) -> None:
    event = samples.event(db, name="Bare")
    shipped = search.load()
    bare = search.Definition(shipped.settings, {**shipped.mappings, "_source": {"enabled": False}})
    search.reindex(migrated, elastic.url, alias=elastic.alias, definition=bare)
    assert found(elastic, "bare") == [event]
    shown = run(main, "search", "bare", "--alias", elastic.alias, "--elasticsearch-url", elastic.url)
    assert (shown.exit_code, str(event) in shown.stdout) == (0, True)


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize(
    "cut_short",
    [{"timed_out": True, "_shards": {"failed": 0}}, {"timed_out": False, "_shards": {"failed": 1}}],
)
def test_an_answer_that_is_not_whole_is_none(
    migrated: str, elastic: Elastic, proxy: Proxy, cut_short: dict[str, Any]
) -> None:
    answer = {**cut_short, "pit_id": "x", "hits": {"total": {"value": 0}, "hits": []}}
    proxy.verdict = lambda chunk: product(answer) if b"/_search" in chunk[:200] else True
    with pytest.raises(SearchUnavailable, match="a part of the index did not answer"):
        search.search(proxy.url, "python", alias=elastic.alias)
    with pytest.raises(SearchUnavailable, match="a part of the index did not answer"):
        search.verify(migrated, proxy.url, alias=elastic.alias)


@pytest.mark.parametrize("answer", [b"<html>Not Found</html>", b'{"detail":"Not Found"}'])
def test_something_else_that_finds_nothing_is_told(proxy: Proxy, answer: bytes) -> None:
    head = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    kind = b"text/html" if answer.startswith(b"<") else b"application/json"
    proxy.verdict = lambda _: head % (kind, len(answer)) + answer
    result = run(main, "search", "x", "--elasticsearch-url", proxy.url)
    assert result.exit_code == 5
    assert one_line(result).endswith("is not Elasticsearch")


def product(answer: dict[str, Any]) -> bytes:
    """Return a response of Elasticsearch."""
    body = json.dumps(answer).encode()
    head = (
        "HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
