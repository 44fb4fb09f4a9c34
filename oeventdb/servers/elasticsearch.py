"""Finding or starting an Elasticsearch: an explicit URL, then Docker, then Maven's server."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from oeventdb.errors import SearchUnavailable
from oeventdb.servers import docker, java, unprivileged

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "9.5.0"
WHAT_TO_INSTALL = (
    f"install Maven and a JDK {java.OLDEST_MAJOR} or newer, or start a Docker engine, "
    "or give the URL of an Elasticsearch"
)

_GROUP, _ARTIFACT = "org.elasticsearch.distribution.integ-test-zip", "elasticsearch"
_START_SECONDS = 120
_STOP_SECONDS = 30
_HEAP = "-Xms512m -Xmx512m"
_CONFIGURATION = """\
discovery.type: single-node
xpack.security.enabled: false
network.host: 127.0.0.1
http.port: {port}
transport.port: 0
path.data: {home}/data
path.logs: {home}/logs
cluster.routing.allocation.disk.threshold_enabled: false
"""


@dataclass(frozen=True)
class Search:
    """An Elasticsearch that was found or started; `description` says how, and its version."""

    url: str
    description: str


@contextmanager
def find_elasticsearch(url: str | None = None, *, api_key: str | None = None) -> Iterator[Search]:
    """Yield an Elasticsearch for the duration of the block.

    The order: `url`; a Docker engine; the server from Maven, unpacked in the user's cache. What
    we started is gone afterwards with its data. Raises SearchUnavailable when there is none.
    """
    if url:
        version = _wait_until_ready(url, api_key=api_key, seconds=0)
        yield Search(url, f"Elasticsearch {version} at the given URL")
    elif docker.engine_answers():
        with docker.elasticsearch() as started:
            version = _wait_until_ready(started)
            yield Search(started, f"Elasticsearch {version} in Docker")
    else:
        with _local() as started:
            yield Search(started, f"Elasticsearch {VERSION} from Maven")


@contextmanager
def _local() -> Iterator[str]:
    """Start the unpacked server as an unprivileged user, with everything it writes in a directory."""
    runtime = java.java_home()
    if runtime is None:
        raise SearchUnavailable(
            f"no Elasticsearch, and no Java {java.OLDEST_MAJOR} or newer to start one with",
            hint=WHAT_TO_INSTALL,
        )
    installation = _installation()
    home = unprivileged.scratch_directory("oeventdb-es-")
    log = home.with_name(f"{home.name}.log")
    port = _free_port()
    shutil.copytree(installation / "config", home / "config")
    (home / "config" / "elasticsearch.yml").write_text(_CONFIGURATION.format(home=home, port=port))
    temporary = home / "tmp"  # it may not be above the configuration
    temporary.mkdir()
    unprivileged.give(home)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ES_")}
    environment |= {
        "ES_JAVA_HOME": str(runtime),
        "ES_PATH_CONF": str(home / "config"),
        "ES_JAVA_OPTS": os.environ.get("ES_JAVA_OPTS", _HEAP),
        "ES_TMPDIR": str(temporary),
        "HOME": str(temporary),
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(installation / "bin" / "elasticsearch")],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=home,
            start_new_session=True,
            **unprivileged.process_options(),
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process=process, log=log)
        try:
            yield url
        finally:
            log.unlink()  # only a failure to start is worth reading
    finally:
        _stop(process)
        shutil.rmtree(home, ignore_errors=True)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the server and whatever else is left in its session."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait_until_ready(
    url: str,
    *,
    api_key: str | None = None,
    seconds: float = _START_SECONDS,
    process: subprocess.Popen[bytes] | None = None,
    log: Path | None = None,
) -> str:
    """Wait until the server answers and can take writes; return its version.

    Raises SearchUnavailable when it has not after so many seconds, or when `process` ended.
    """
    where = f" (log: {log})" if log else ""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return _version_when_ready(url, api_key)
        except (OSError, TransportError, ApiError) as exc:
            if process is not None and process.poll() is not None:
                raise SearchUnavailable(f"Elasticsearch ended while starting{where}") from exc
            if time.monotonic() >= deadline:
                reason = "nothing listens" if isinstance(exc, OSError) else str(exc)
                raise SearchUnavailable(f"Elasticsearch does not answer: {reason}{where}") from exc
        time.sleep(0.2)


def _version_when_ready(url: str, api_key: str | None) -> str:
    """Return the version of a server that is ready; raises OSError where nothing listens."""
    address = urllib.parse.urlsplit(url)
    port = address.port or (443 if address.scheme == "https" else 80)
    # The client logs a warning for every attempt in vain: look first.
    socket.create_connection((address.hostname or "localhost", port), timeout=10).close()
    with Elasticsearch(url, api_key=api_key, request_timeout=10, max_retries=0) as client:
        client.cluster.health(wait_for_status="yellow", timeout="5s")
        nodes = client.nodes.info(node_id="_local", filter_path="nodes.*.version")
        return str(next(iter(nodes["nodes"].values()))["version"])


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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
