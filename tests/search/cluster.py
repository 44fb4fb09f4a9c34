"""A cluster of three nodes on one machine, of which one is killed: nothing is lost.

`make cluster` runs this; it takes more memory and time than the other tests have.
"""

from __future__ import annotations

import re
import threading
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import search
from oeventdb.errors import OperationError, SearchUnavailable
from oeventdb.servers.elasticsearch import programs
from oeventdb.servers.local_elasticsearch import LocalElasticsearch, free_port
from tests.search.elastic import Elastic
from tests.search.storm import Workers
from tests.search.test_storm import differing

if TYPE_CHECKING:
    from collections.abc import Iterator

NODES = 3
HEAP = "256m"
ROOM_MB = 3000
"""What three nodes of that heap take, with room for PostgreSQL and the tests."""

EVENTS = 20_000


def room_mb() -> float:
    """Return how much memory is available."""
    try:
        found = re.search(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return int(found.group(1)) / 1024 if found else float("inf")


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[LocalElasticsearch]]:
    """Return the nodes of a cluster; a test leaves all of them running."""
    if room_mb() < ROOM_MB:
        pytest.skip(f"{ROOM_MB} MB of memory are needed, {room_mb():.0f} MB are available")
    try:
        found = programs()
    except OperationError as error:
        pytest.skip(f"{error} ({error.hint})")
    ports = [free_port() for _ in range(NODES)]
    names = [f"node-{number}" for number in range(NODES)]
    with ExitStack() as stack:
        cluster = []
        for name, port in zip(names, ports, strict=True):
            settings = {
                "cluster.name": f"oeventdb-{ports[0]}",
                "node.name": name,
                "transport.port": str(port),
                "discovery.seed_hosts": str([f"127.0.0.1:{other}" for other in ports]),
                "cluster.initial_master_nodes": str(names),
            }
            node = LocalElasticsearch(*found, settings=settings, heap=HEAP)
            stack.callback(node.destroy)
            node.launch()
            cluster.append(node)
        for node in cluster:
            node.wait_until_ready()
        yield cluster


@pytest.fixture
def elastic(nodes: list[LocalElasticsearch]) -> Iterator[Elastic]:
    """Return the cluster by its first node, all nodes in it, with an alias for the test."""
    elastic = Elastic(nodes[0].url, f"test{uuid.uuid4().hex[:12]}")
    elastic.ask("GET", f"/_cluster/health?wait_for_nodes={NODES}&timeout=60s")
    yield elastic
    elastic.clear()


@pytest.fixture
def events(db: psycopg.Connection) -> int:
    """Insert events; return how many."""
    db.execute(
        "INSERT INTO events (id, name, starts_at, ends_at, timezone, state, description)"
        " SELECT g, 'Event ' || g, now(), now(), 'UTC', 'published', repeat('words and words ', 30)"
        " FROM generate_series(1, %s) AS g",
        (EVENTS,),
    )
    return EVENTS


def definition() -> search.Definition:
    """Return the shipped definition with a shard for each node; it asks for one replica by itself."""
    shipped = search.load()
    return search.Definition({**shipped.settings, "number_of_shards": str(NODES)}, shipped.mappings)


def green(elastic: Elastic) -> None:
    """Wait until every shard of the live index has its replica."""
    wait = f"/_cluster/health/{elastic.alias}?wait_for_status=green&timeout=30s"
    assert any(elastic.call("GET", wait)[0] == 200 for _ in range(10))
    for index in elastic.behind():
        assert elastic.indices()[index]["settings"]["index"]["number_of_replicas"] == "1"


def primaries(elastic: Elastic, index: str) -> set[str]:
    """Return the names of the nodes that have a primary of an index."""
    shards = elastic.ask("GET", f"/_cluster/state/routing_table,nodes/{index}")
    table = shards["routing_table"]["indices"][index]["shards"]
    held = {copy["node"] for copies in table.values() for copy in copies if copy["primary"]}
    return {shards["nodes"][node]["name"] for node in held if node is not None}


def whole(dsn: str, elastic: Elastic) -> None:
    """Require the index to equal the database, by every measure."""
    found = search.verify(dsn, elastic.url, alias=elastic.alias)
    assert (found.missing, found.stale, found.surplus) == ([], [], [])
    with psycopg.connect(dsn) as connection:
        assert differing(connection, elastic) == []


def test_a_node_killed_during_a_reindex_and_started_again_loses_nothing(
    events: int, migrated: str, elastic: Elastic, nodes: list[LocalElasticsearch]
) -> None:
    back: list[threading.Thread] = []

    def kill(_: str, done: int, *__: object) -> None:
        if done > events / 4 and not back:
            [index] = elastic.indices()
            assert "node-1" in primaries(elastic, index)
            nodes[1].kill9()
            back.append(threading.Thread(target=nodes[1].start))
            back[0].start()

    done = search.reindex(
        migrated,
        elastic.url,
        alias=elastic.alias,
        definition=definition(),
        progress=kill,
        body_bytes=200_000,
    )
    back[0].join()
    assert done.documents == events
    green(elastic)
    whole(migrated, elastic)


def test_a_node_that_does_not_come_back_stops_a_reindex_and_the_live_index_stays_whole(
    events: int, migrated: str, elastic: Elastic, nodes: list[LocalElasticsearch]
) -> None:
    live = search.reindex(migrated, elastic.url, alias=elastic.alias, definition=definition()).index
    green(elastic)
    killed: list[str] = []

    def kill(_: str, done: int, *__: object) -> None:
        if done > events / 4 and not killed:
            [index] = set(elastic.indices()) - {live}
            assert "node-2" in primaries(elastic, index)
            nodes[2].kill9()
            killed.append(index)

    try:
        with pytest.raises(SearchUnavailable):
            search.reindex(
                migrated,
                elastic.url,
                alias=elastic.alias,
                definition=definition(),
                progress=kill,
                body_bytes=200_000,
                patience=5,
            )
        assert elastic.behind() == elastic.behind(elastic.public) == [live]
        whole(migrated, elastic)
    finally:
        nodes[2].start()
    done = search.reindex(migrated, elastic.url, alias=elastic.alias, definition=definition())
    assert not set(killed) & set(elastic.indices())
    assert elastic.behind() == [done.index]
    green(elastic)
    whole(migrated, elastic)


def test_nodes_killed_one_after_the_other_during_sync_lose_nothing(
    events: int, db: psycopg.Connection, migrated: str, elastic: Elastic, nodes: list[LocalElasticsearch]
) -> None:
    """Primaries, replicas, the master and the node that the workers talk to: every one of the three."""
    search.reindex(migrated, elastic.url, alias=elastic.alias, definition=definition())
    green(elastic)
    workers = Workers(migrated, elastic, elastic.url)
    stop = threading.Event()
    writer = threading.Thread(target=_write, args=(migrated, events, stop))
    writer.start()
    try:
        for node in nodes:
            before = _acknowledged(db)
            while _acknowledged(db) == before:
                stop.wait(0.05)
            assert _pending(db) > 0
            node.kill9()
            node.start()
            green(elastic)
    finally:
        stop.set()
        writer.join()
        workers.kill()
    search.sync(migrated, elastic.url, alias=elastic.alias, once=True)
    assert _pending(db) == 0
    whole(migrated, elastic)


def _write(dsn: str, events: int, stop: threading.Event) -> None:
    """Change, unpublish, publish and delete, without a pause, so that workers always have work."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for turn in range(1_000_000):
            if stop.is_set():
                return
            start = turn * 500 % events
            span = (start + 1, start + 500)
            connection.execute(
                "UPDATE events SET name = %s, state = CASE WHEN id %% 7 = %s THEN 'draft' ELSE 'published' END"
                " WHERE id BETWEEN %s AND %s",
                (f"turn {turn}", turn % 7, *span),
            )
            connection.execute("DELETE FROM events WHERE id BETWEEN %s AND %s AND id %% 501 = 0", span)


def _acknowledged(db: psycopg.Connection) -> int:
    """Return how often rows have left the outbox, as the server counts it."""
    row = db.execute(
        "SELECT n_tup_del FROM pg_stat_user_tables WHERE relid = 'oeventdb_internal.search_outbox'::regclass"
    ).fetchone()
    assert row is not None
    return int(row[0])


def _pending(db: psycopg.Connection) -> int:
    row = db.execute("SELECT pending FROM oeventdb_internal.search_lag()").fetchone()
    assert row is not None
    return int(row[0])
