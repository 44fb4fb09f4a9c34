"""Servers in containers, where a Docker engine answers."""

from __future__ import annotations

import functools
import importlib.util
import secrets
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo

from oeventdb.errors import DatabaseUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

POSTGRES_IMAGE = "postgres:18"

_ENGINE_SECONDS = 10
_START_SECONDS = 60


@functools.cache
def engine_answers() -> bool:
    """Tell whether containers can be started: testcontainers is there and an engine answers."""
    if importlib.util.find_spec("testcontainers") is None:
        return False
    try:
        done = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            check=False,
            capture_output=True,
            timeout=_ENGINE_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the DSN of a PostgreSQL in a container, as its superuser, once it answers."""
    password = secrets.token_hex(16)
    with _running(POSTGRES_IMAGE, 5432, POSTGRES_PASSWORD=password) as (host, port):
        dsn = make_conninfo("", host=host, port=port, user="postgres", password=password, dbname="postgres")
        _wait_until_ready(dsn)
        yield dsn


@contextmanager
def elasticsearch(version: str) -> Iterator[str]:
    """Yield the URL of an Elasticsearch of this version in a container; it may not answer yet."""
    environment = {
        "discovery.type": "single-node",
        "xpack.security.enabled": "false",
        "ES_JAVA_OPTS": "-Xms512m -Xmx512m",
    }
    with _running(f"elasticsearch:{version}", 9200, **environment) as (host, port):
        yield f"http://{host}:{port}"


@contextmanager
def _running(image: str, port: int, **environment: str) -> Iterator[tuple[str, int]]:
    """Yield the host and port by which a container of an image is reached, and remove it after."""
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(image, env=environment, ports=[port])
    with container as running:
        yield running.get_container_host_ip(), int(running.get_exposed_port(port))


def _wait_until_ready(dsn: str) -> None:
    """Wait until a server accepts connections; raises DatabaseUnreachable when it does not."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(dsn, connect_timeout=5).close()
        except psycopg.OperationalError as exc:
            if time.monotonic() > deadline:
                raise DatabaseUnreachable("PostgreSQL in Docker does not answer") from exc
            time.sleep(0.2)
        else:
            return
