"""Load by pgbench: prepared statements from many connections, each transaction's latency kept."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from oeventdb.servers.postgres import embedded_programs


@dataclass(frozen=True)
class Load:
    """What a load achieved: transactions a second, and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


def run(
    dsn: str, statement: str, *, clients: int, seconds: float | None = None, each: int | None = None
) -> Load:
    """Run one statement from `clients` connections, for a time or `each` times a connection."""
    with tempfile.TemporaryDirectory(prefix="oeventdb-load-") as directory:
        script = Path(directory, "script.sql")
        script.write_text(statement + "\n")
        command = [_pgbench(), "--no-vacuum", "--protocol=prepared", f"--client={clients}"]
        command += [
            f"--jobs={min(clients, os.cpu_count() or 1)}",
            f"--file={script}",
            "--log",
            "--max-tries=1",
        ]
        command += [f"--time={max(1, round(seconds))}"] if seconds else [f"--transactions={each}"]
        done = subprocess.run([*command, dsn], cwd=directory, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"pgbench: {done.stderr.strip().splitlines()[-1]}")
        latencies = sorted(
            int(line.split()[2]) / 1000
            for log in Path(directory).glob("pgbench_log.*")
            for line in log.read_text().splitlines()
        )
    rate = next(
        float(line.split("=")[1].split()[0]) for line in done.stdout.splitlines() if line.startswith("tps")
    )
    return Load(rate, statistics.median(latencies), latencies[int(len(latencies) * 0.99)])


def _pgbench() -> str:
    beside = embedded_programs() / "pgbench"
    found = str(beside) if beside.exists() else shutil.which("pgbench")
    if not found:
        raise SystemExit("pgbench is needed: install the PostgreSQL client programs")
    return found
