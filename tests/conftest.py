"""Servers and databases for the tests: real ones only."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, LiteralString, NoReturn, TypeVar

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from oeventdb.errors import OperationError
from oeventdb.servers import unprivileged
from oeventdb.servers.local_postgres import LocalPostgres
from oeventdb.servers.postgres import Postgres, find_postgres
from tests.roles import Roles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oeventdb.servers.elasticsearch import Search

_Server = TypeVar("_Server")

LEGACY = "0001.legacy-tables"
SEARCHING = (
    ("tests/search/",),
    (
        "tests/celery/",
        "tests/cli/test_demo.py",
        "tests/docs/test_tutorial.py",
        "tests/examples/test_start.py",
        "tests/servers/test_docker.py",
        "tests/servers/test_found_elasticsearch.py",
    ),
)
"""The tests that need Elasticsearch, in groups that have one each."""

_SEARCHING = tuple(itertools.chain(*SEARCHING))


def _say(request: pytest.FixtureRequest, description: str) -> None:
    """Print which server was chosen, past the capturing of output."""
    manager = request.config.pluginmanager
    reporter, capture = manager.get_plugin("terminalreporter"), manager.get_plugin("capturemanager")
    if reporter is not None and capture is not None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(f"using {description}")


class _Scheduling(LoadFileScheduling):
    """Keeps the tests of a file in one worker, and those of a group that need Elasticsearch: it is started once for them."""

    def _split_scope(self, nodeid: str) -> str:
        for group in SEARCHING:
            if nodeid.startswith(group):
                return group[0]
        return super()._split_scope(nodeid)


def pytest_configure() -> None:
    """Let the processes that tests start be interrupted: a shell has what runs behind it ignore that, and its children too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def hangup() -> Iterator[None]:
    """Let SIGHUP end the processes that a test starts, as at a terminal, or do what the test makes of it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the groups that take longest; refuse a test that would start one more Elasticsearch, in another worker."""
    items.sort(key=lambda item: not item.nodeid.startswith(_SEARCHING))
    astray = {
        item.nodeid.partition("::")[0]
        for item in items
        if "search_server" in getattr(item, "fixturenames", ()) and not item.nodeid.startswith(_SEARCHING)
    }
    if astray:
        raise pytest.UsageError(f"add to SEARCHING in tests/conftest.py: {', '.join(sorted(astray))}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    return _Scheduling(config, log)


def missing(error: OperationError) -> NoReturn:
    """Skip for want of a server, or fail where the environment says that they must be there."""
    reason = f"{error} ({error.hint})" if error.hint else str(error)
    if os.environ.get("OEVENTDB_REQUIRE_SERVERS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@contextmanager
def _started(starting: AbstractContextManager[_Server]) -> Iterator[_Server]:
    """Yield a server, if there is one."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(starting)
        except OperationError as error:
            missing(error)
        yield server


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """Return the server of this run: OEVENTDB_TEST_DSN, OEVENTDB_TEST_POSTGRES, or found."""
    finding = find_postgres(
        os.environ.get("OEVENTDB_TEST_DSN"), programs=os.environ.get("OEVENTDB_TEST_POSTGRES")
    )
    with _started(finding) as server:
        _say(request, server.description)
        yield server


@pytest.fixture(scope="module")
def mortal() -> Iterator[LocalPostgres]:
    """Return a server of our own, to kill."""
    with _started(find_postgres(programs=os.environ.get("OEVENTDB_TEST_POSTGRES"))) as server:
        if server.local is None:
            pytest.skip("a server in a container is not ours to kill")
        yield server.local


@pytest.fixture(scope="session")
def search_server(request: pytest.FixtureRequest) -> Iterator[Search]:
    """Return the Elasticsearch of this run: OEVENTDB_TEST_ELASTICSEARCH_URL, or found."""
    from oeventdb.servers.elasticsearch import find_elasticsearch

    with _started(find_elasticsearch(os.environ.get("OEVENTDB_TEST_ELASTICSEARCH_URL"))) as server:
        _say(request, server.description)
        yield server


@pytest.fixture(scope="session")
def elasticsearch(search_server: Search) -> str:
    """Return the URL of this run's Elasticsearch."""
    return search_server.url


@pytest.fixture(scope="session")
def redis(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the URL of this run's Redis, started from the program that is installed."""
    from tests.redis import redis_server

    with _started(redis_server()) as server:
        _say(request, server.description)
        yield server.url


class Databases:
    """Makes databases on a server, and drops those it made.

    While a test runs, the next copy of its template is made and used ones are dropped, both by
    one worker by one connection: most of a run would be spent waiting for that.
    """

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._connection: psycopg.Connection | None = None
        self._made: set[str] = set()
        self._worker = ThreadPoolExecutor(1)
        self._spare: dict[str, Future[str]] = {}

    def create(self, template: str = "template0", *, prefix: str = "oeventdb_test") -> str:
        """Create a database, a copy of `template`, and return its conninfo."""
        spare = self._spare.pop(template, None)
        try:
            name = spare.result() if spare else self._copy(template, prefix)
        except psycopg.errors.ObjectInUse:  # somebody was connected to the template then
            name = self._copy(template, prefix)
        if not prefix.endswith("template"):
            self._spare[template] = self._worker.submit(self._copy, template, prefix)
        return make_conninfo(self._server.dsn, dbname=name)

    def template(self, base: str, prepare: Callable[[str], object]) -> str:
        """Make a copy of `base`, prepare it once, and return its name, for tests that begin with the same database."""
        dsn = self.create(base, prefix="oeventdb_template")
        prepare(dsn)
        return str(conninfo_to_dict(dsn)["dbname"])

    def drop(self, dsn: str) -> None:
        """Drop a database some time from now, whoever is connected to it."""
        name = str(conninfo_to_dict(dsn)["dbname"])
        self._spare.pop(name, None)
        self._worker.submit(self._drop, name)

    def close(self) -> None:
        """Drop every database that is left."""
        self._worker.shutdown()
        for name in list(self._made):
            self._drop(name)
        if self._connection is not None:
            self._connection.close()

    def _copy(self, template: str, prefix: str) -> str:
        name = f"{prefix}_{uuid.uuid4().hex[:12]}"
        # Copying files is several times faster here than writing every page to the log.
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template)
        self._made.add(name)
        return name

    def _drop(self, name: str) -> None:
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self._made.discard(name)

    def _execute(self, statement: LiteralString, *names: str) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._server.dsn, autocommit=True)
        self._connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture(scope="session")
def databases(postgres: Postgres) -> Iterator[Databases]:
    """Return a maker of databases; all it made are dropped at the end of the run."""
    made = Databases(postgres)
    yield made
    made.close()


@pytest.fixture
def new_database(databases: Databases) -> Iterator[Callable[[str], str]]:
    """Return a function that makes a copy of a template and drops it after the test."""
    made: list[str] = []

    def create(template: str = "template0") -> str:
        dsn = databases.create(template)
        made.append(dsn)
        return dsn

    yield create
    for dsn in made:
        databases.drop(dsn)


@pytest.fixture(scope="session")
def migrated_template(databases: Databases) -> str:
    """Return the name of a database with every migration, to copy."""
    from oeventdb import schema

    return databases.template("template0", schema.migrate)


@pytest.fixture(scope="session")
def legacy_template(databases: Databases) -> str:
    """Return the name of a database with the legacy tables only, to copy."""
    from oeventdb import schema

    return databases.template("template0", partial(schema.migrate, to=LEGACY))


@pytest.fixture
def empty(new_database: Callable[[str], str]) -> str:
    """Return the DSN of an empty database."""
    return new_database("template0")


@pytest.fixture
def legacy(new_database: Callable[[str], str], legacy_template: str) -> str:
    """Return the DSN of a fresh database with the legacy tables only."""
    return new_database(legacy_template)


@pytest.fixture
def migrated(new_database: Callable[[str], str], migrated_template: str) -> str:
    """Return the DSN of a fresh database with every migration."""
    return new_database(migrated_template)


@pytest.fixture
def db(migrated: str) -> Iterator[psycopg.Connection]:
    """Return an autocommit connection to a fresh migrated database."""
    with psycopg.connect(migrated, autocommit=True) as connection:
        yield connection


@pytest.fixture
def roles(postgres: Postgres) -> Iterator[Roles]:
    """Return a maker of roles and of databases they own."""
    made = Roles(postgres.dsn)
    yield made
    made.close()


@pytest.fixture
def owned(roles: Roles) -> str:
    """Return the DSN of an empty database for its owner, an ordinary role."""
    return roles.database(roles.create("owner"))


@pytest.fixture
def own_server(postgres: Postgres) -> Iterator[Callable[..., LocalPostgres]]:
    """Return a function that starts a server with settings of its own, until the test ends."""
    if postgres.local is None:
        pytest.skip("needs a server of our own")
    bindir = postgres.local.bindir
    started: list[LocalPostgres] = []

    def start(**settings: str) -> LocalPostgres:
        home = unprivileged.scratch_directory("oeventdb-pg-", in_memory=True)
        server = LocalPostgres(bindir, home, settings={"fsync": "off", **settings})
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.destroy()


@pytest.fixture
def listening(own_server: Callable[..., LocalPostgres]) -> tuple[str, int]:
    """Return the address of a server that listens on a port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        host, port = free.getsockname()
    own_server(listen_addresses=host, port=str(port))
    return host, port


@pytest.fixture
def forgetful(own_server: Callable[..., LocalPostgres]) -> LocalPostgres:
    """Return a server that loses in a crash what was committed in the last ten seconds, where it may."""
    return own_server(
        synchronous_commit="off", wal_writer_delay="10s", autovacuum="off", full_page_writes="off"
    )
