"""Test the tests: take one rule after the other out of the database, and require that a test fails each time.

    python -m tools.mutation                    every constraint, unique index, trigger, guard and lock
    python -m tools.mutation --sample 12        twelve of them by chance; the seed is printed
    python -m tools.mutation --only holders     those whose name, or whose tests' path, contains the word
    python -m tools.mutation --list             only say which there are

Exit status 1 when a mutant survives, 0 otherwise. A mutant that no test can notice is listed in SURVIVORS
with the reason.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from oeventdb import schema
from oeventdb.servers.postgres import find_postgres
from tools.mutant_template import VARIABLE
from tools.mutants import Mutant, apply, constraints, mutants

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 300.0
"""Seconds after which tests that hang count as failed."""

SURVIVORS: dict[str, str] = {
    "lock oeventdb_internal.await_admissions#2": "the next turn takes the other lock, from another random place",
    "lock oeventdb_internal.await_admissions#3": "the next turn takes the other lock, from another random place",
}


class Lab:
    """A server with a migrated database, of which mutants are made."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._template = self.create()
        migrations = schema.load()
        schema.migrate(self.dsn(self._template), to=migrations[0].id)
        with psycopg.connect(self.dsn(self._template)) as connection:
            legacy = constraints(connection)
        schema.migrate(self.dsn(self._template))
        with psycopg.connect(self.dsn(self._template)) as connection:
            self.mutants = mutants(connection, legacy)

    def dsn(self, name: str) -> str:
        """The conninfo of one of the server's databases."""
        return make_conninfo(self._server, dbname=name)

    def create(self, template: str = "template0") -> str:
        """Make a database and return its name."""
        name = f"oeventdb_mutant_{uuid.uuid4().hex[:8]}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop(self, name: str) -> None:
        """Drop a database."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(statement.format(sql.Identifier(name)))

    def close(self) -> None:
        """Drop the database that the mutants are made of."""
        self.drop(self._template)

    @contextmanager
    def database(self, mutant: Mutant | None) -> Iterator[str]:
        """The name of a database that is the mutant's, or like the template, for the block."""
        name = self.create(self._template)
        try:
            if mutant is not None:
                with psycopg.connect(self.dsn(name), autocommit=True) as connection:
                    apply(connection, mutant)
            yield name
        finally:
            self.drop(name)

    def failing(self, mutant: Mutant | None, tests: Sequence[str]) -> str | None:
        """The first test that fails, or None when all pass."""
        with self.database(mutant) as name:
            environment = {
                **os.environ,
                VARIABLE: name,
                "OEVENTDB_TEST_DSN": self._server,
                "PGOPTIONS": "-c statement_timeout=40s",
            }
            command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=no"]
            command += ["-p", "tools.mutant_template", "-p", "no:cacheprovider", *tests]
            try:
                done = subprocess.run(
                    command,
                    check=False,
                    cwd=ROOT,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=PATIENCE,
                )
            except subprocess.TimeoutExpired:
                return f"no end after {PATIENCE:.0f} seconds"
        if done.returncode == 0:
            return None
        if done.returncode != 1:
            raise RuntimeError(done.stdout + done.stderr)
        failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return (failed or [done.stdout])[0].split(" - ")[0]


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sample", type=int, metavar="N", help="only N mutants, by chance")
    parser.add_argument(
        "--seed", type=int, help="the seed of the sample (printed; default: another each time)"
    )
    parser.add_argument("--only", metavar="WORD", help="only mutants whose name or tests contain the word")
    parser.add_argument(
        "--passing", action="store_true", help="the tests are known to pass without any mutation"
    )
    parser.add_argument("--list", action="store_true", help="name the mutants and their tests, and stop")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once")
    parser.add_argument("--dsn", default=os.environ.get("OEVENTDB_TEST_DSN"))
    return parser.parse_args(arguments)


def _chosen(found: list[Mutant], options: argparse.Namespace) -> list[Mutant]:
    if options.only:
        found = [mutant for mutant in found if options.only in " ".join([mutant.name, *mutant.tests])]
    if options.sample is not None:
        seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
        found = [mutant for mutant in found if mutant.name not in SURVIVORS]
        count = min(options.sample, len(found))
        print(f"{count} of {len(found)} mutants, chosen with --seed {seed}", flush=True)
        found = random.Random(seed).sample(found, count)  # noqa: S311
    return found


def _try(lab: Lab, mutant: Mutant) -> bool:
    started = time.monotonic()
    failed = lab.failing(mutant, mutant.tests)
    seconds = time.monotonic() - started
    if failed:
        said = f"killed by {failed.removeprefix('FAILED ').removeprefix('ERROR ')}"
    elif mutant.name in SURVIVORS:
        said = f"survives, as it may: {SURVIVORS[mutant.name]}"
    else:
        said = f"SURVIVES the {len(mutant.tests)} files of tests from {mutant.tests[0]} on"
    print(f"{mutant.name}: {said} ({seconds:.0f} s)", flush=True)
    return bool(failed) or mutant.name in SURVIVORS


def main(arguments: list[str] | None = None) -> int:
    """Try the mutants; the exit status is 1 when one survives that may not."""
    options = _arguments(arguments)
    with find_postgres(options.dsn) as server:
        lab = Lab(server.dsn)
        try:
            chosen = _chosen(lab.mutants, options)
            if options.list:
                for mutant in chosen:
                    print(mutant.name, *mutant.tests)
                return 0
            tests = sorted({path for mutant in chosen for path in mutant.tests})
            failed = None if options.passing else lab.failing(None, tests)
            if failed:
                print(f"the tests fail without any mutation: {failed}", file=sys.stderr)
                return 1
            with ThreadPoolExecutor(options.jobs) as workers:
                noticed = list(workers.map(lambda mutant: _try(lab, mutant), chosen))
        finally:
            lab.close()
    print(f"{sum(noticed)} of {len(noticed)} mutants noticed")
    return 0 if all(noticed) else 1


if __name__ == "__main__":
    sys.exit(main())
