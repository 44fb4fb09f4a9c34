"""Servers in containers: chosen before our own, where an engine answers."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from oeventdb.servers import docker
from oeventdb.servers import elasticsearch as searches
from oeventdb.servers import postgres as databases

container_module = pytest.importorskip("testcontainers.core.container")


class Container:
    """Stands for a container of a Docker engine: what it publishes is a server of this machine."""

    published: tuple[str, int]
    started: list[Container]

    def __init__(self, image: str, *, env: dict[str, str], ports: list[int]) -> None:
        self.image, self.env, self.ports = image, env, ports
        self.removed = False

    def __enter__(self) -> Container:
        type(self).started.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.removed = True

    def get_container_host_ip(self) -> str:
        """Return the host of the published port."""
        return self.published[0]

    def get_exposed_port(self, _port: int) -> int:
        """Return the published port."""
        return self.published[1]


@pytest.fixture
def containers(monkeypatch: pytest.MonkeyPatch) -> type[Container]:
    monkeypatch.setattr(docker, "engine_answers", lambda: True)
    monkeypatch.setattr(container_module, "DockerContainer", Container)
    Container.started = []
    return Container


def test_a_postgresql_in_a_container(containers: type[Container], listening: tuple[str, int]) -> None:
    containers.published = listening
    with databases.find_postgres() as found:
        assert found.description.endswith(" in Docker")
        assert found.local is None
        with psycopg.connect(found.dsn) as connection:
            assert connection.info.port == listening[1]
    [container] = containers.started
    assert (container.image, container.ports) == ("postgres:18", [5432])
    assert len(container.env["POSTGRES_PASSWORD"]) == 32
    assert container.removed


def test_an_elasticsearch_in_a_container(containers: type[Container], elasticsearch: str) -> None:
    address = urlsplit(elasticsearch)
    containers.published = (str(address.hostname), int(address.port or 9200))
    with searches.find_elasticsearch() as found:
        assert found.url == elasticsearch
        assert found.description.endswith(" in Docker")
    [container] = containers.started
    assert (container.image, container.ports) == (f"elasticsearch:{searches.VERSION}", [9200])
    assert container.removed


@pytest.mark.parametrize(("status", "answers"), [("exit 0", True), ("exit 1", False)])
def test_an_engine_is_there_when_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, answers: bool
) -> None:
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\n{status}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert docker.engine_answers.__wrapped__() is answers


def test_without_a_client_there_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not docker.engine_answers.__wrapped__()
