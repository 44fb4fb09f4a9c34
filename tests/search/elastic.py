"""Elasticsearch as the tests see it: plain requests, without the code that is tested."""

from __future__ import annotations

import http.client
import json
import re
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Elastic:
    """An Elasticsearch and the alias that belongs to one test."""

    url: str
    alias: str

    @property
    def public(self) -> str:
        """The alias without private events."""
        return f"{self.alias}-public"

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send one request; return its status and JSON."""
        status, answer = self.exchange(method, path, body)
        return status, json.loads(answer or b"null")

    def exchange(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        """Send one request; return its status and the bytes of the answer."""
        parts = urllib.parse.urlsplit(self.url)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        try:
            text = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request that has to succeed; return its JSON."""
        status, answer = self.call(method, path, body)
        assert status < 400, answer
        return answer

    def indices(self) -> dict[str, Any]:
        """Return every index whose name begins with the alias, with aliases and settings."""
        found = self.ask("GET", f"/{self.alias}*?expand_wildcards=all")
        assert isinstance(found, dict)
        return found

    def behind(self, alias: str | None = None) -> list[str]:
        """Return the names of the indices behind an alias."""
        status, answer = self.call("GET", f"/_alias/{alias or self.alias}")
        return sorted(answer) if status == 200 else []

    def count(self, target: str | None = None) -> int:
        """Return how many documents a search of the target would see."""
        return int(self.ask("GET", f"/{target or self.alias}/_count")["count"])

    def documents(self, target: str | None = None) -> dict[int, tuple[int, Any]]:
        """Return (version, document) of every event by id."""
        answer = self.ask(
            "POST",
            f"/{target or self.alias}/_search",
            {"size": 10_000, "version": True, "query": {"match_all": {}}},
        )
        return {int(hit["_id"]): (hit["_version"], hit["_source"]) for hit in answer["hits"]["hits"]}

    def sources(self) -> Iterator[tuple[int, int, str]]:
        """Yield (id, version, document as the index keeps it, byte for byte) in the order of ids."""
        after = -(2**63)
        while True:
            body = {"size": 5000, "version": True, "sort": ["id"], "search_after": [after]}
            status, answer = self.exchange("POST", f"/{self.alias}/_search", body)
            assert status == 200, answer
            text = answer.decode()
            hits = json.loads(text)["hits"]["hits"]
            # no text of a document can hold this: its quotation marks would be escaped
            starts = [place.end() for place in re.finditer('"_source":', text)]
            for hit, start in zip(hits, starts, strict=True):
                _, end = json.JSONDecoder().raw_decode(text, start)
                yield int(hit["_id"]), hit["_version"], text[start:end]
            if not hits:
                return
            after = hits[-1]["sort"][0]

    def clear(self) -> None:
        """Remove every index of the test, and its pipeline."""
        for name in self.indices():
            self.ask("DELETE", f"/{name}")
        self.call("DELETE", f"/_ingest/pipeline/{self.alias}")
