"""An Elasticsearch node that we start ourselves, as an unprivileged user."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse
from contextlib import suppress
from typing import TYPE_CHECKING

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from oeventdb.errors import SearchUnavailable
from oeventdb.servers import unprivileged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_START_SECONDS = 300
_STOP_SECONDS = 30
# It lives for minutes: only the quick one of Java's compilers pays off, in half of the processor time to be ready,
# and the simplest of its collectors, in four fifths of the time that tests take.
_QUICK_COMPILER = "-XX:TieredStopAtLevel=1"
_QUICK_START = f"{_QUICK_COMPILER} -XX:-UseG1GC -XX:+UseSerialGC"
_ALONE = {"discovery.type": "single-node", "transport.port": "0"}


class LocalElasticsearch:
    """A node run by the programs in `installation`, with everything it writes in a directory.

    The directory is in memory where there is room, unless `on_disk`. It keeps its port and its
    data until destroy(). Every failure to start is a SearchUnavailable that names the log.
    `settings` make it a member of a cluster.
    ES_JAVA_OPTS in the environment take the place of `heap` and of the quick start.
    """

    def __init__(
        self,
        installation: Path,
        java_home: Path,
        *,
        settings: Mapping[str, str] | None = None,
        heap: str = "512m",
        on_disk: bool = False,
    ) -> None:
        self.home = unprivileged.scratch_directory("oeventdb-es-", in_memory=not on_disk)
        self.log = self.home.with_name(f"{self.home.name}.log")
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._program = installation / "bin" / "elasticsearch"
        self._process: subprocess.Popen[bytes] | None = None
        self._worth_reading = False
        shutil.copytree(installation / "config", self.home / "config")
        self._configure(_ALONE if settings is None else settings)
        temporary = self.home / "tmp"  # it may not be above the configuration
        temporary.mkdir()
        for path in (self.home, *self.home.rglob("*")):
            unprivileged.give(path)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ES_")}
        self._environment = inherited | {
            "ES_JAVA_HOME": str(java_home),
            "ES_PATH_CONF": str(self.home / "config"),
            "ES_JAVA_OPTS": os.environ.get("ES_JAVA_OPTS", f"-Xms{heap} -Xmx{heap} {_QUICK_START}"),
            "ES_TMPDIR": str(temporary),
            "CLI_JAVA_OPTS": f"{os.environ.get('CLI_JAVA_OPTS', _QUICK_COMPILER)} -Djava.io.tmpdir={temporary}",
            "HOME": str(temporary),
        }

    def _configure(self, settings: Mapping[str, str]) -> None:
        lines = {
            "xpack.security.enabled": "false",
            "network.host": "127.0.0.1",
            "http.port": str(self._port),
            "path.data": str(self.home / "data"),
            "path.logs": str(self.home / "logs"),
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            **settings,
        }
        text = "".join(f"{name}: {value}\n" for name, value in lines.items())
        (self.home / "config" / "elasticsearch.yml").write_text(text)

    def start(self) -> None:
        """Start the node and wait until it can take writes."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the node without waiting: members of a new cluster wait for each other."""
        with self.log.open("a") as output:
            self._process = subprocess.Popen(
                [str(self._program)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                start_new_session=True,
                **unprivileged.process_options(),
            )

    def wait_until_ready(self) -> None:
        """Wait until the node answers; raises SearchUnavailable when it ended instead."""
        self._worth_reading = True
        wait_until_ready(self.url, process=self._process, log=self.log)
        self._worth_reading = False

    def stop(self) -> None:
        """Stop the node and whatever else is left in its session."""
        if self._process is None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self.kill9()

    def kill9(self) -> None:
        """Kill the node and all its processes as a power cut would; wait until it is gone."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        with suppress(OSError):
            while True:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                time.sleep(0.02)

    def destroy(self) -> None:
        """Stop the node and delete what it wrote; the log only if it is not worth reading."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        if not self._worth_reading:
            self.log.unlink(missing_ok=True)


def wait_until_ready(
    url: str,
    *,
    api_key: str | None = None,
    seconds: float = _START_SECONDS,
    process: subprocess.Popen[bytes] | None = None,
    log: Path | None = None,
) -> str:
    """Wait until a server answers and can take writes; return its version.

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


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
