"""`oeventdb reindex` against the first run of pgsync, from the same database to the same Elasticsearch.

pgsync gets a virtual environment of its own in .cache, a Redis, and a PostgreSQL with wal_level=logical and
the output plugin test_decoding, which Debian's packages have. Its client asks an Elasticsearch for
its version by `GET /`; the server from Maven has no answer to that, so it is given here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.conninfo import conninfo_to_dict

from bench._search import Elastic, command, database_of_events, parser, ratio
from oeventdb.servers.elasticsearch import find_elasticsearch
from oeventdb.servers.local_elasticsearch import free_port
from oeventdb.servers.local_postgres import LocalPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = "pgsync==7.3.0"
_HOME = Path(__file__).parents[1] / ".cache" / "pgsync"
_INDEX = "oeventdb-bench-pgsync"
_SECONDS = 900
_COLUMNS = (
    "id identifier name searchable_location_name organizer_name organizer_description"
    " starts_at ends_at timezone latitude longitude privacy description"
).split()

_VERSIONED = """
import runpy, sys
import elasticsearch, elasticsearch.transport
elasticsearch.Elasticsearch.info = lambda self, **_: {"version": {"number": "9.5.0"}}
def _known(self, headers, timeout):
    self._verified_elasticsearch = True
elasticsearch.transport.Transport._do_verify_elasticsearch = _known
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class _LeftOutError(Exception):
    """The rival cannot be measured here; says why."""


def main(arguments: list[str] | None = None) -> None:
    """Print the ratio, or why there is none."""
    options = parser("pgsync", __doc__, events=50_000, rounds=3).parse_args(arguments)
    try:
        programs = _programs()
        with ExitStack() as stack:
            redis = stack.enter_context(_redis())
            server, port = stack.enter_context(_postgres(programs))
            found = stack.enter_context(find_elasticsearch(options.elasticsearch_url, on_disk=True))
            print(found.description)
            elastic = Elastic(found.url)
            stack.callback(elastic.client.indices.delete, index=_INDEX, ignore_unavailable=True)
            stack.callback(elastic.clear)
            dsn = stack.enter_context(database_of_events(server, options.events))
            _compare(
                dsn, elastic, {"PG_PORT": str(port), "REDIS_PORT": str(redis)}, options.events, options.rounds
            )
    except _LeftOutError as why:
        print(f"left out: {why}")


def _programs() -> Path:
    """Return the directory of a PostgreSQL with test_decoding; install pgsync on first need."""
    if shutil.which("redis-server") is None:
        raise _LeftOutError("pgsync needs Redis, and there is no redis-server here")
    plugins = sorted(Path("/usr/lib/postgresql").glob("*/lib/test_decoding.so"))
    if not plugins:
        raise _LeftOutError("pgsync needs the output plugin test_decoding, and no PostgreSQL here has it")
    if not (_HOME / "bin" / "pgsync").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(_HOME)], check=True)
        pip = [
            str(_HOME / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        done = subprocess.run([*pip, _PACKAGE], capture_output=True, text=True, check=False)
        if done.returncode:
            raise _LeftOutError(f"{_PACKAGE} cannot be installed: {_last_line(done.stderr)}")
    return plugins[-1].parents[1] / "bin"


@contextmanager
def _redis() -> Iterator[int]:
    port = free_port()
    command = ["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tempfile.gettempdir())
    try:
        yield port
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def _postgres(programs: Path) -> Iterator[tuple[str, int]]:
    port = free_port()
    home = Path(tempfile.mkdtemp(prefix="oeventdb-bench-", dir="/tmp"))
    settings = {"shared_buffers": "1GB", "max_wal_size": "8GB", "wal_level": "logical"}
    network = {"listen_addresses": "127.0.0.1", "port": str(port)}
    local = LocalPostgres(programs, home, settings=settings | network)
    try:
        local.start()
        print(f"PostgreSQL {local.version} with wal_level=logical")
        yield local.conninfo(), port
    finally:
        local.destroy()


def _compare(dsn: str, elastic: Elastic, ports: dict[str, str], events: int, rounds: int) -> None:
    database = str(conninfo_to_dict(dsn)["dbname"])
    table = {"table": "events", "columns": _COLUMNS}
    schema = [{"database": database, "index": _INDEX, "nodes": table}]
    environment = {
        **os.environ,
        **ports,
        "PG_HOST": "127.0.0.1",
        "PG_USER": "postgres",
        "REDIS_HOST": "127.0.0.1",
        "ELASTICSEARCH_URL": elastic.url,
        "ELASTICSEARCH_TIMEOUT": "120",
        "LOG_LEVEL": "ERROR",
    }
    theirs, ours = [], []
    with tempfile.TemporaryDirectory(prefix="oeventdb-pgsync-") as directory:
        Path(directory, "schema.json").write_text(json.dumps(schema))
        for number in range(1, rounds + 1):
            elastic.client.indices.delete(index=_INDEX, ignore_unavailable=True)
            for path in Path(directory).glob(".*"):
                path.unlink()
            # making its triggers and its replication slot is not counted
            _run("bootstrap", directory, environment)
            theirs.append(_run("pgsync", directory, environment))
            elastic.client.indices.refresh(index=_INDEX)
            counted = int(elastic.client.count(index=_INDEX)["count"])
            if counted != events:
                raise _LeftOutError(f"pgsync has indexed {counted} of {events} events")
            _run("bootstrap", directory, environment, "--teardown")
            seconds, _ = command(elastic, dsn, "reindex", "--keep", "0")
            ours.append(seconds)
            print(
                f"round {number}: reindex {events / ours[-1]:,.0f} documents/s,"
                f" pgsync {events / theirs[-1]:,.0f}",
                flush=True,
            )
    print(f"reindex : pgsync, {events} documents   {ratio(theirs, ours):.1f}")


def _run(program: str, directory: str, environment: dict[str, str], *options: str) -> float:
    """Run one of pgsync's programs to its end; return its seconds."""
    arguments = [str(_HOME / "bin" / "python"), "-c", _VERSIONED, str(_HOME / "bin" / program)]
    started = time.perf_counter()
    try:
        done = subprocess.run(
            [*arguments, "--config", "schema.json", *options],
            env=environment,
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise _LeftOutError(f"{program} has not ended after {_SECONDS} s") from None
    if done.returncode:
        raise _LeftOutError(f"{program} failed: {_last_line(done.stderr)}")
    return time.perf_counter() - started


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"


if __name__ == "__main__":
    main()
