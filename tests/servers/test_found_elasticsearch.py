"""An Elasticsearch for the tests and the demo: found, or missing with a word on what to install."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oeventdb.errors import SearchUnavailable
from oeventdb.servers import docker, java, unprivileged
from oeventdb.servers import elasticsearch as servers

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def _no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "engine_answers", lambda: False)


def test_a_given_url_is_used_as_it_is(elasticsearch: str) -> None:
    with servers.find_elasticsearch(elasticsearch) as found:
        assert found.url == elasticsearch
        assert found.description.startswith("Elasticsearch ")
        assert found.description.endswith(" at the given URL")


def test_a_given_url_that_does_not_answer_is_no_reason_to_choose_another() -> None:
    with (
        pytest.raises(SearchUnavailable, match="nothing listens"),
        servers.find_elasticsearch("http://127.0.0.1:9"),
    ):
        pass


@pytest.mark.usefixtures("_no_docker")
def test_without_a_java_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "java_home", lambda: None)
    with pytest.raises(SearchUnavailable, match="Java 21") as refusal, servers.find_elasticsearch():
        pass
    assert "install Maven and a JDK 21 or newer" in str(refusal.value.hint)


@pytest.mark.usefixtures("_no_docker")
def test_without_maven_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(java, "java_home", lambda: tmp_path)
    monkeypatch.setattr(unprivileged, "cache_directory", lambda: tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SearchUnavailable, match="no Maven") as refusal, servers.find_elasticsearch():
        pass
    assert "install Maven" in str(refusal.value.hint)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("release", "major"),
    [
        ('IMPLEMENTOR="X"\nJAVA_VERSION="25.0.3"\n', 25),
        ('JAVA_VERSION="1.8.0_402"\n', 8),
        ('JAVA_VERSION="21"\n', 21),
        ("nothing of the kind", None),
    ],
)
def test_the_version_of_a_java_is_read_from_its_release_file(
    tmp_path: Path, release: str, major: int | None
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch()
    (tmp_path / "release").write_text(release)
    assert java.major_version(tmp_path) == major


def test_a_directory_without_java_has_no_version(tmp_path: Path) -> None:
    assert java.major_version(tmp_path) is None
