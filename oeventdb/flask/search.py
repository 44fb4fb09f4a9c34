"""Searching the public events: words and beginnings of words, best first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from flask import Response, request

from oeventdb.errors import SearchUnavailable
from oeventdb.flask import documents
from oeventdb.flask.documents import dashed
from oeventdb.flask.negotiation import MEDIA_TYPE, is_acceptable, json_response, with_entity_tag
from oeventdb.flask.problems import Problem
from oeventdb.flask.queries import LARGEST_PAGE, USUAL_PAGE, number
from oeventdb.search.query import Found

PATH = "/search/events"
_LONGEST = 1000


class Find(Protocol):
    """Searches events, as oeventdb.search.search does once it has its URL."""

    def __call__(self, query: str, *, limit: int) -> Found:
        """The best hits for the words of the query."""
        ...


def view(find: Find) -> Callable[[], Response]:
    """The view of ``GET /search/events?q=words&page[size]=20``."""

    def search_events() -> Response:
        if not is_acceptable(request):
            raise Problem(406, f"only {MEDIA_TYPE} is served here", header="Accept")
        for name in request.args:
            if name not in ("q", "page[size]"):
                raise Problem(400, f"the parameter {name} is not supported here", parameter=name)
        query = request.args.get("q", "")
        if not query.strip() or len(query) > _LONGEST:
            raise Problem(400, f"q has to hold some words, up to {_LONGEST} characters", parameter="q")
        try:
            found = find(query, limit=number(request, "page[size]", USUAL_PAGE, LARGEST_PAGE))
        except SearchUnavailable as exc:
            raise Problem(503, "the search cannot be reached; try again") from exc
        data = [
            {
                "type": "event",
                "id": str(hit.id),
                "attributes": {dashed(name): item for name, item in hit.document.items() if name != "id"},
                "meta": {"score": hit.score},
            }
            for hit in found.hits
        ]
        document = documents.document(data, request.full_path.rstrip("?"), meta={"count": found.total})
        return with_entity_tag(json_response(document), request)

    return search_events
