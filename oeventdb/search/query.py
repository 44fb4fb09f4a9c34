"""Asking the index: words and beginnings of words over the texts of an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oeventdb.errors import SearchUnavailable
from oeventdb.search.cluster import Answer, Cluster, require_whole
from oeventdb.search.indices import no_index, public_alias, require_alias
from oeventdb.search.listing import document_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

# A word in the name tells more about an event than one somewhere in its description.
_FIELDS = (
    "name^5",
    "searchable_location_name^3",
    "organizer_name^2",
    "organizer_description",
    "description",
)

MOST_WORDS = 50
"""Each word is a few clauses of a query, and Elasticsearch takes a few thousand of these."""

_PATIENCE = 5.0


class TooManyWords(SearchUnavailable):
    """The query has more words than Elasticsearch takes at a time: leave some out.

    Its words are those of the index: of a text without spaces, such as a Chinese one, each letter may be one.
    """

    exit_code = 2
    kind = "usage"


@dataclass(frozen=True, slots=True)
class Hit:
    """An event that was found: its id, how well it fits, and its document."""

    id: int
    score: float | None
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """The best hits, and how many there are in all."""

    total: int
    hits: tuple[Hit, ...]


def search(
    elasticsearch_url: str,
    query: str,
    *,
    alias: str = "events",
    limit: int = 10,
    offset: int = 0,
    include_private: bool = False,
    starting: datetime | None = None,
    near: tuple[float, float] | None = None,
    within: str = "50km",
    api_key: str | None = None,
) -> Found:
    """Return the events that have every word of `query`, as a word or the beginning of one.

    The words may be spread over name, place, organizer and description. `offset` skips the best
    hits; it and `limit` reach 10,000 hits deep. `starting` leaves out
    what starts earlier, `near` (latitude, longitude) what is farther away than `within`, a number
    with m, km or mi. Private events are left out unless asked for. `alias` may name several, with
    commas between. Raises SearchUnavailable also
    when nothing was indexed yet, and TooManyWords, which is one.
    """
    aliases = [require_alias(name) for name in alias.split(",")]
    target = ",".join(aliases if include_private else map(public_alias, aliases))
    with Cluster(elasticsearch_url, api_key=api_key, timeout=20) as cluster:
        body = cluster.request(
            "POST",
            f"/{target}/_search",
            body={
                "query": {"bool": {"must": _all_words(query), "filter": _filters(starting, near, within)}},
                "from": offset,
                "size": limit,
                "track_total_hits": True,
                "sort": ["_score", {"starts_at": "desc"}, {"id": "asc"}],
            },
            patience=_PATIENCE,
            accept=(400, 404),
        )
        if "error" in body:
            raise _refusal(cluster, target, body)
    require_whole(body)
    # what somebody has put there under an id that no event can have is for verify to find
    hits = tuple(
        Hit(found, hit["_score"], dict(hit.get("_source", {})))
        for hit in body["hits"]["hits"]
        if isinstance(found := document_id(hit["_id"]), int)
    )
    return Found(body["hits"]["total"]["value"], hits)


def _refusal(cluster: Cluster, target: str, body: dict[str, Any]) -> SearchUnavailable:
    """Return the error for an answer of status 400 or 404."""
    if body["status"] == 404:
        return no_index(target)
    if not {"too_many_clauses", "too_many_nested_clauses"}.isdisjoint(_types(body["error"])):
        return TooManyWords("the query has more words than Elasticsearch takes at a time")
    return cluster.refused(Answer(400, body))


def _types(error: Any) -> Iterator[str]:
    """Yield the types of an error and of its causes."""
    for name, part in error.items() if isinstance(error, dict) else enumerate(error):
        if isinstance(part, dict | list):
            yield from _types(part)
        elif name == "type":
            yield part


def _all_words(query: str) -> list[dict[str, Any]]:
    return [_word(word) for word in query.split()] or [{"match_all": {}}]


def _filters(
    starting: datetime | None, near: tuple[float, float] | None, within: str
) -> list[dict[str, Any]]:
    filters: list[dict[str, Any]] = []
    if starting is not None:
        filters.append({"range": {"starts_at": {"gte": starting.isoformat()}}})
    if near is not None:
        latitude, longitude = near
        filters.append(
            {"geo_distance": {"distance": within, "location": {"lat": latitude, "lon": longitude}}}
        )
    return filters


def _word(word: str) -> dict[str, Any]:
    """Return the query for one word: whole words count more than beginnings."""
    shared = {"fields": _FIELDS, "operator": "and", "zero_terms_query": "all"}
    # Elasticsearch takes it for a beginning only if nothing comes after it; but C++ and C# are not C...
    beginning = word.rstrip("*,;:.!?'\")")
    return {
        "bool": {
            "should": [
                {"multi_match": {**shared, "query": word, "type": "best_fields", "boost": 3}},
                {"multi_match": {**shared, "query": beginning, "type": "bool_prefix"}},
            ]
        }
    }
