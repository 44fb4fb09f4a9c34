"""Finding or starting an Elasticsearch: an explicit URL, then Docker, then Maven's server."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oeventdb.errors import SearchUnavailable
from oeventdb.servers import docker, java, unprivileged
from oeventdb.servers.local_elasticsearch import LocalElasticsearch, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "9.5.0"
WHAT_TO_INSTALL = (
    f"install Maven and a JDK {java.OLDEST_MAJOR} or newer, or start a Docker engine, "
    "or give the URL of an Elasticsearch"
)

_GROUP, _ARTIFACT = "org.elasticsearch.distribution.integ-test-zip", "elasticsearch"


@dataclass(frozen=True)
class Search:
    """An Elasticsearch that was found or started; `description` says how, and its version.

    `local` is there only when it is a process of ours, which may be stopped or killed.
    """

    url: str
    description: str
    local: LocalElasticsearch | None = None


@contextmanager
def find_elasticsearch(
    url: str | None = None, *, api_key: str | None = None, on_disk: bool = False
) -> Iterator[Search]:
    """Yield an Elasticsearch for the duration of the block.

    The order: `url`; a Docker engine; the server from Maven, unpacked in the user's cache. What
    we started is gone afterwards with its data, which is in memory where there is room, unless
    `on_disk`. Raises SearchUnavailable when there is none.
    """
    if url:
        version = wait_until_ready(url, api_key=api_key, seconds=0)
        yield Search(url, f"Elasticsearch {version} at the given URL")
    elif docker.engine_answers():
        with docker.elasticsearch(VERSION) as address:
            version = wait_until_ready(address)
            yield Search(address, f"Elasticsearch {version} in Docker")
    else:
        with _local(on_disk=on_disk) as started:
            yield Search(started.url, f"Elasticsearch {VERSION} from Maven", started)


@contextmanager
def _local(*, on_disk: bool) -> Iterator[LocalElasticsearch]:
    """Start the server from Maven, and remove all trace of it afterwards."""
    server = LocalElasticsearch(*programs(), on_disk=on_disk)
    try:
        server.start()
        yield server
    finally:
        server.destroy()


def programs() -> tuple[Path, Path]:
    """Return the unpacked server, fetched on first need, and the home of a Java that runs it.

    Raises SearchUnavailable where one of them is not to be had.
    """
    runtime = java.java_home()
    if runtime is None:
        raise SearchUnavailable(
            f"no Elasticsearch, and no Java {java.OLDEST_MAJOR} or newer to start one with",
            hint=WHAT_TO_INSTALL,
        )
    return _installation(), runtime


def _installation() -> Path:
    """Return the unpacked server, fetching and unpacking it into the cache on first need."""
    target = unprivileged.cache_directory() / f"elasticsearch-{VERSION}"
    if target.is_dir():
        return target
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="unpacking-") as scratch:
        directory = Path(scratch)
        archive = _kept_by_maven() or _fetch(directory)
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(directory)
        unpacked = directory / target.name
        for program in (unpacked / "bin").iterdir():
            program.chmod(0o755)
        unprivileged.open_to_all(unpacked)
        with suppress(OSError):  # another process was first
            unpacked.rename(target)
    return target


def _kept_by_maven() -> Path | None:
    """Return the archive in Maven's own repository, if it is there already."""
    folder = Path.home() / ".m2" / "repository" / _GROUP.replace(".", "/") / _ARTIFACT / VERSION
    archive = folder / f"{_ARTIFACT}-{VERSION}.zip"
    return archive if zipfile.is_zipfile(archive) else None


def _fetch(directory: Path) -> Path:
    """Have Maven copy the archive (130 MB) into a directory."""
    if shutil.which("mvn") is None:
        raise SearchUnavailable("no Elasticsearch, and no Maven to fetch one with", hint=WHAT_TO_INSTALL)
    command = ["mvn", "-q", "-B", "dependency:copy", f"-DoutputDirectory={directory}"]
    done = subprocess.run(
        [*command, f"-Dartifact={_GROUP}:{_ARTIFACT}:{VERSION}:zip"],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=directory,
    )
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if "ERROR" in line] or ["no reason given"]
        raise SearchUnavailable(f"Maven could not fetch Elasticsearch: {lines[0]}")
    return directory / f"{_ARTIFACT}-{VERSION}.zip"
