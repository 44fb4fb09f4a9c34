"""Searching the public events: words and beginnings of words, best first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from flask import Request, Response, request

from oeventdb.errors import SearchUnavailable
from oeventdb.flask import documents, queries
from oeventdb.flask.documents import dashed
from oeventdb.flask.negotiation import MEDIA_TYPE, is_acceptable, json_response, with_entity_tag
from oeventdb.flask.problems import Problem
from oeventdb.search.query import MOST_WORDS, Found, Hit, TooManyWords

PATH = "/search/events"
LONGEST = 1000
DEEPEST = 10_000
"""Elasticsearch ranks no more hits than these for one search."""

ATTRIBUTES = (
    "identifier",
    "name",
    "description",
    "searchable-location-name",
    "organizer-name",
    "organizer-description",
    "starts-at",
    "ends-at",
    "timezone",
    "location",
    "privacy",
)


class Find(Protocol):
    """Searches events, as oeventdb.search.search does once it has its URL."""

    def __call__(self, query: str, *, limit: int, offset: int) -> Found:
        """The best hits for the words of the query, but for the first few."""
        ...


def view(find: Find) -> Callable[[], Response]:
    """The view of ``GET /search/events?q=words&page[size]=20``."""

    def search_events() -> Response:
        if not is_acceptable(request):
            raise Problem(406, f"only {MEDIA_TYPE} is served here", header="Accept")
        query = queries.parse(request, "event", ATTRIBUTES, (), "q")
        if query.number * query.size > DEEPEST:
            raise Problem(400, f"only {DEEPEST} events are ranked", parameter="page[number]")
        try:
            found = find(_words(request), limit=query.size, offset=(query.number - 1) * query.size)
        except TooManyWords as exc:
            raise Problem(400, str(exc), parameter="q") from exc
        except SearchUnavailable as exc:
            raise Problem(503, "the search cannot be reached; try again") from exc
        shown = ATTRIBUTES if query.fields is None else query.fields
        data = [_event(hit, shown) for hit in found.hits]
        document = documents.document(queries.self_link(request), data=data, meta={"count": found.total})
        document["links"] |= queries.links(request, query, min(found.total, DEEPEST))
        return with_entity_tag(json_response(document), request)

    return search_events


def _words(request: Request) -> str:
    words = request.args.get("q", "")
    if len(words) > LONGEST or not 0 < len(words.split()) <= MOST_WORDS:
        raise Problem(
            400, f"q has to hold 1 to {MOST_WORDS} words, up to {LONGEST} characters", parameter="q"
        )
    return words


def _event(hit: Hit, shown: tuple[str, ...]) -> documents.Document:
    attributes = {dashed(name): item for name, item in hit.document.items()}
    return {
        "type": "event",
        "id": str(hit.id),
        "attributes": {name: item for name, item in attributes.items() if name in shown},
        "meta": {"score": hit.score},
    }
