"""A real worker on a real Redis, for one module's tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import urllib.parse
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from celery import Celery

from tests.conftest import Databases
from tests.search.elastic import Elastic
from tests.search.proxy import Proxy, Verdict, let_pass

ROOT = Path(__file__).parents[2]
PASSWORD = "geheim"


@dataclass
class Process:
    """A worker or beat, all its children, and what it has logged."""

    popen: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        """Return what is in the log by now."""
        return self.log.read_text()

    def kill(self) -> None:
        """Kill it and its children as a power cut would."""
        os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


@dataclass
class Stage:
    """A broker, a database and an alias; Elasticsearch is behind a proxy that can misbehave."""

    broker: str
    dsn: str
    elastic: Elastic
    proxy: Proxy
    directory: Path

    @contextmanager
    def celery(self, *arguments: str, **environment: str) -> Iterator[Process]:
        """Run one of Celery's commands for the tests' application while the block runs."""
        log = self.directory / f"{arguments[0]}-{uuid.uuid4().hex}.log"
        own = {name: text for name, text in os.environ.items() if not name.startswith("OEVENTDB_")}
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "tests.celery.application", *arguments],
                env={
                    **own,
                    "BROKER": self.broker,
                    "PGPASSWORD": PASSWORD,
                    "OEVENTDB_DSN": self.dsn,
                    "OEVENTDB_ELASTICSEARCH_URL": self.proxy.url.replace("://", f"://someone:{PASSWORD}@"),
                    "OEVENTDB_ALIAS": self.elastic.alias,
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                start_new_session=True,
            )
        process = Process(popen, log)
        try:
            yield process
        finally:
            if popen.poll() is None:
                process.kill()

    def worker(self, queue: str = "celery", **environment: str) -> AbstractContextManager[Process]:
        """Run a worker of two processes for a queue: the usual one, or one of its own."""
        alone = ("--without-gossip", "--without-mingle", f"--queues={queue}", f"--hostname={queue}@%h")
        return self.celery("worker", "--concurrency=2", "--loglevel=info", *alone, **environment)

    @contextmanager
    def hold(self) -> Iterator[threading.Event]:
        """Hold back bulk requests, and nothing else, while the block runs; the event says that one came."""
        begun, released = threading.Event(), threading.Event()

        def verdict(chunk: bytes) -> bool:
            if b"/_bulk" in chunk[:200]:
                begun.set()
                released.wait()
            return True

        with self.proxied(verdict):
            try:
                yield begun
            finally:
                released.set()

    @contextmanager
    def proxied(self, verdict: Verdict) -> Iterator[None]:
        """Have the proxy in front of Elasticsearch misbehave while the block runs."""
        self.proxy.verdict = verdict
        try:
            yield
        finally:
            self.proxy.verdict = let_pass


@pytest.fixture(scope="module")
def stage(
    databases: Databases,
    migrated_template: str,
    elasticsearch: str,
    redis: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    """Return the servers and a database of this module."""
    parts = urllib.parse.urlsplit(elasticsearch)
    assert parts.hostname is not None
    elastic = Elastic(elasticsearch, f"test{uuid.uuid4().hex[:12]}")
    dsn = databases.create(migrated_template)
    try:
        with Proxy(parts.hostname, parts.port or 80) as proxy:
            yield Stage(redis, dsn, elastic, proxy, tmp_path_factory.mktemp("celery"))
    finally:
        elastic.clear()
        databases.drop(dsn)


@pytest.fixture(scope="module")
def app(stage: Stage) -> Iterator[Celery]:
    """Return an application that sends tasks by name and reads their results."""
    with Celery(broker=stage.broker, backend=stage.broker, set_as_current=False) as app:
        yield app


@pytest.fixture(scope="module")
def worker(stage: Stage) -> Iterator[Process]:
    """Return a running worker."""
    with stage.worker() as worker:
        yield worker


@pytest.fixture
def connection(stage: Stage) -> Iterator[psycopg.Connection]:
    """Return a connection to the database."""
    with psycopg.connect(stage.dsn, autocommit=True) as connection:
        yield connection
