"""The servers of the demo, and a database and an index of its own on them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from oeventdb.connection import conninfo
from oeventdb.errors import OperationError
from oeventdb.search import Cluster
from oeventdb.search.indices import Indices
from oeventdb.servers.elasticsearch import WHAT_TO_INSTALL, Search, find_elasticsearch
from oeventdb.servers.postgres import find_postgres


@dataclass(frozen=True)
class Missing:
    """No Elasticsearch could be had: the reason and what to install."""

    reason: str
    what_to_install: str


@dataclass(frozen=True)
class Stage:
    """Where the demo plays: a database of its own, and an Elasticsearch that may still be starting."""

    dsn: str
    postgresql: str
    alias: str
    api_key: str | None
    _search: Future[Search | Missing]

    def elasticsearch(self) -> Search | Missing:
        """The Elasticsearch, once it answers, or why there is none."""
        return self._search.result()


@contextmanager
def stage(
    *,
    dsn: str | None = None,
    elasticsearch_url: str | None,
    alias: str = "events",
    api_key: str | None,
) -> Iterator[Stage]:
    """Yield the servers of the demo for the duration of the block.

    Servers that are not named are found or started; Elasticsearch starts while the database is
    at work already. On a server that is named, nothing of others is touched: the demo has a
    database and an index of its own there, and takes both away again. Raises SearchUnavailable
    or DatabaseUnreachable where a server that is named does not answer.
    """
    name = f"oeventdb-demo-{secrets.token_hex(4)}"
    with ExitStack() as servers, ThreadPoolExecutor(1) as background:
        found: Future[Search | Missing] = Future()
        if elasticsearch_url is not None:
            found.set_result(servers.enter_context(find_elasticsearch(elasticsearch_url, api_key=api_key)))
        postgres = servers.enter_context(find_postgres(None if dsn is None else conninfo(dsn)))
        if elasticsearch_url is None:
            found = background.submit(_start_elasticsearch, servers)
        with _own_database(postgres.dsn, name.replace("-", "_")) as own_dsn:
            own_alias = alias if elasticsearch_url is None else name
            place = Stage(own_dsn, postgres.description, own_alias, api_key, found)
            try:
                yield place
            finally:
                if elasticsearch_url is not None:
                    _remove_index(place)


def _start_elasticsearch(servers: ExitStack) -> Search | Missing:
    try:
        return servers.enter_context(find_elasticsearch())
    except OperationError as error:
        return Missing(str(error), error.hint or WHAT_TO_INSTALL)


def _remove_index(place: Stage) -> None:
    """Remove what the demo built on an Elasticsearch that is not its own."""
    search = place.elasticsearch()
    if isinstance(search, Search):
        with Cluster(search.url, api_key=place.api_key) as cluster:
            indices = Indices(cluster, place.alias)
            for index in indices.found():
                indices.remove(index.name)


@contextmanager
def _own_database(server: str, name: str) -> Iterator[str]:
    """Create a database for the duration of the block."""
    with psycopg.connect(server, autocommit=True) as connection:
        try:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            yield make_conninfo(server, dbname=name)
        finally:
            # it may be there although an interrupt came before the server said so
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )
