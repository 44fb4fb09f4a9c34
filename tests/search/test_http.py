"""The search over HTTP, from the route to a real index."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import flask
import psycopg
import pytest

import oeventdb.flask
from oeventdb import search
from oeventdb.search.query import TooManyWords
from tests import samples
from tests.flask.http import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.flask.http import Api
    from tests.search.elastic import Elastic


@pytest.fixture
def api(db: psycopg.Connection, migrated: str, elastic: Elastic) -> Iterator[Api]:
    """Requests to an application with five public events and a private one in its index."""
    for number in range(5):
        samples.event(db, name=f"Python {number}", identifier=f"id{number}")
    samples.event(db, name="Python in private", privacy="private")
    search.reindex(migrated, elastic.url, alias=elastic.alias)
    find = partial(search.search, elastic.url, alias=elastic.alias)
    app = flask.Flask(__name__)
    connect = partial(psycopg.connect, migrated)
    app.register_blueprint(oeventdb.flask.blueprint(connect, users=lambda _: None, find=find))
    with served(app) as made:
        yield made


def _names(document: Any) -> list[str]:
    return [item["attributes"]["name"] for item in document["data"]]


def test_events_are_found_and_paged(api: Api) -> None:
    path = "/v1/search/events?q=python"
    whole = api.get(path).document
    assert sorted(_names(whole)) == [f"Python {number}" for number in range(5)]
    assert whole["meta"] == {"count": 5}
    assert whole["data"][0]["attributes"]["identifier"].startswith("id")
    second = api.get(f"{path}&page[size]=2&page[number]=2&fields[event]=name").document
    assert _names(second) == _names(whole)[2:4]
    assert [set(item["attributes"]) for item in second["data"]] == [{"name"}] * 2
    assert second["links"]["self"] == f"{path}&page[size]=2&page[number]=2&fields[event]=name"
    assert second["links"]["next"] == f"{path}&page[size]=2&page[number]=3&fields[event]=name"
    assert _names(api.get(f"{path}&page[size]=2&page[number]=4").document) == []


def test_an_answer_that_the_client_has_is_304(api: Api) -> None:
    tag = api.get("/v1/search/events?q=python").headers["ETag"]
    assert api.get("/v1/search/events?q=python", If_None_Match=tag).status_code == 304


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "q"),
        ("?q=", "q"),
        ("?q=%20", "q"),
        (f"?q={'x' * 1001}", "q"),
        (f"?q={'+'.join('abcdefghij' * 10)}", "q"),
        ("?q=a&page[size]=0", "page[size]"),
        ("?q=a&page[number]=1000&page[size]=100", "page[number]"),
        ("?q=a&sort=name", "sort"),
        ("?q=a&fields[event]=password", "fields[event]"),
        ("?q=a&filter[name]=x", "filter[name]"),
    ],
)
def test_searches_that_are_refused(api: Api, query: str, parameter: str) -> None:
    response = api.get(f"/v1/search/events{query}")
    assert response.status_code == 400
    assert response.errors[0]["source"] == {"parameter": parameter}


def test_more_words_than_elasticsearch_takes_are_no_fault_of_the_server(
    api: Api, elastic: Elastic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Chinese each letter is a word of the index, whatever stands between spaces."""
    text = "\u6f22" * 100_000
    with pytest.raises(TooManyWords):
        search.search(elastic.url, text, alias=elastic.alias)
    monkeypatch.setattr("oeventdb.flask.search._words", lambda _: text)
    response = api.get("/v1/search/events?q=x")
    assert response.status_code == 400
    assert response.errors[0]["source"] == {"parameter": "q"}


@pytest.mark.parametrize(
    "words",
    [
        "%22%5D%7D%2C%7B%22match_all%22%3A%7B%7D%7D",
        "*:*+OR+_exists_:privacy",
        "%00",
        "%ED%A0%80+%F0%9F%8E%9F",
        "private%2F..%2F",
        "+".join("abcdefghij" * 5),
        "x" * 1000,
    ],
)
def test_no_words_are_a_query_or_make_the_search_fail(api: Api, words: str) -> None:
    response = api.get(f"/v1/search/events?q={words}")
    assert response.status_code == 200
    assert not any("private" in name for name in _names(response.document))
