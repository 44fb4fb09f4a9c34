"""Elasticsearch as the tests see it: plain requests, without the code that is tested."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from dataclasses import dataclass
from typing import Any


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
        parts = urllib.parse.urlsplit(self.url)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        try:
            text = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")
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

    def clear(self) -> None:
        """Remove every index of the test."""
        for name in self.indices():
            self.ask("DELETE", f"/{name}")
