"""Search that may still be starting, or not be there: then it says why."""

from __future__ import annotations

from functools import partial

from oeventdb import search
from oeventdb.demo.stage import Missing, Stage
from oeventdb.errors import OperationError, SearchUnavailable
from oeventdb.flask.search import Find
from oeventdb.search import Found

STARTING = "Search is still starting."


class Finder:
    """What the blueprint asks for events; ``notice`` says why it cannot answer, if it cannot."""

    def __init__(self) -> None:
        self.notice: str | None = STARTING
        self._find: Find | None = None

    def __call__(self, query: str, *, limit: int, offset: int) -> Found:
        """The best hits; raises SearchUnavailable while there is no index."""
        if self._find is None:
            raise SearchUnavailable(self.notice or "")
        return self._find(query, limit=limit, offset=offset)

    def start(self, servers: Stage) -> None:
        """Wait for Elasticsearch, build the index and be there; or say what is missing."""
        engine = servers.elasticsearch()
        if isinstance(engine, Missing):
            self.notice = f"There is no search: {engine.reason}. To have it, {engine.what_to_install}."
            return
        try:
            search.reindex(servers.dsn, engine.url, alias=servers.alias, api_key=servers.api_key)
        except OperationError as error:
            self.notice = f"There is no search: {error}."
            return
        self._find = partial(search.search, engine.url, alias=servers.alias, api_key=servers.api_key)
        self.notice = None
