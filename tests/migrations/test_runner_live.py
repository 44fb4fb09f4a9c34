"""One upgrader at a time, and nobody waits long for it."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from oeventdb import schema
from oeventdb.errors import DatabaseUnreachable, Refused
from oeventdb.schema import MigrationFailed, worker
from oeventdb.schema.lock import HOLDER_NAME, WORKER_NAME, LockLost, UpgradeLock
from oeventdb.servers.local_postgres import LocalPostgres
from tests.migrations.surroundings import server_version
from tests.migrations.toys import Toys
from tests.waiting import until

UPGRADERS = 20

INDEX = "-- transactional: false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS apples_id ON public.apples (id);\n"

HOLDS_APPLES = (
    "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
    " AND relation = 'public.apples'::regclass"
)

PROGRAM = """
import sys
from pathlib import Path
from oeventdb import schema
print(schema.migrate(sys.argv[1], directory=Path(sys.argv[2])))
"""


@contextmanager
def holding(toys: Toys, statement: str) -> Iterator[psycopg.Connection]:
    """Yield a connection in whose transaction the statement was run."""
    with psycopg.connect(toys.dsn, application_name="the test's client") as connection:
        connection.execute(statement.encode())
        yield connection
        connection.rollback()


def start(toys: Toys) -> subprocess.Popen[str]:
    """Start an upgrader in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, toys.dsn, str(toys.directory)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(toys: Toys, query: str) -> None:
    """Wait until a query returns a row."""
    until(lambda: toys.query(query), seconds=30)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[str], int]:
    """Return a function that counts the messages with a text."""
    caplog.set_level(logging.INFO, "oeventdb")
    return lambda text: sum(text in message for message in caplog.messages)


def test_of_twenty_upgraders_one_works_and_the_others_find_it_done(toys: Toys) -> None:
    toys.add_tables("apples", "boxes")
    toys.add("0003.index", INDEX, "DROP INDEX public.apples_id;\n")
    toys.add("0004.slow", "SELECT pg_catalog.pg_sleep(0.5);\n")
    with ThreadPoolExecutor(UPGRADERS) as pool:
        results = list(pool.map(lambda _: toys.migrate(), range(UPGRADERS)))
    worked = [result for result in results if result]
    assert worked == [["0001.apples", "0002.boxes", "0003.index", "0004.slow"]]
    assert len(toys.ledger()) == 4


def test_an_impatient_upgrader_names_the_other(toys: Toys) -> None:
    toys.add_tables("apples")
    with UpgradeLock(toys.dsn, patience=0), pytest.raises(Refused) as refused:
        toys.migrate(patience=0.3)
    assert "another upgrader works on this database: pid " in str(refused.value)
    assert HOLDER_NAME in str(refused.value)
    assert toys.migrate() == ["0001.apples"]


def test_waiting_upgraders_do_not_stop_an_index_from_being_built(
    toys: Toys, said: Callable[[str], int]
) -> None:
    toys.add_tables("apples")
    toys.migrate()
    with ThreadPoolExecutor(4) as pool:
        with UpgradeLock(toys.dsn, patience=0):
            waiting = [pool.submit(toys.migrate, patience=20) for _ in range(4)]
            until(lambda: said("waiting for another upgrader") == 4, seconds=30)
            for _ in range(10):
                toys.execute("CREATE INDEX CONCURRENTLY i ON public.apples (id)")
                toys.execute("DROP INDEX CONCURRENTLY public.i")
            assert not any(future.done() for future in waiting)
        assert [future.result() for future in waiting] == [[]] * 4


def test_a_killed_upgrader_leaves_neither_lock_nor_work_behind(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.migrate()
    toys.add("0002.slow", "SELECT pg_catalog.pg_sleep(600);\n")
    process = start(toys)
    worker = f"SELECT 1 FROM pg_stat_activity WHERE application_name LIKE '{WORKER_NAME}%'"
    wait_for(toys, f"{worker} AND query LIKE '%pg_sleep%'")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    toys.add("0002.slow", "CREATE TABLE public.boxes (id int);\n")
    assert toys.migrate(patience=20) == ["0002.slow"]
    wait_for(toys, f"SELECT 1 WHERE NOT EXISTS ({worker})")


def test_an_upgrader_that_lost_its_lock_stops(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.add("0002.slow", "SELECT pg_catalog.pg_sleep(600);\nCREATE TABLE public.boxes (id int);\n")

    def end_the_holder() -> None:
        wait_for(
            toys,
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND state = 'active' AND pid <> pg_backend_pid()",
        )
        toys.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{HOLDER_NAME}'"
        )

    thread = threading.Thread(target=end_the_holder)
    thread.start()
    started = time.monotonic()
    with pytest.raises(LockLost):
        toys.migrate()
    thread.join()
    assert time.monotonic() - started < 60
    assert toys.tables() == ["apples"]
    assert toys.ledger() == ["0001.apples"]


def test_a_lock_that_is_not_to_be_had_is_asked_for_again(toys: Toys, said: Callable[[str], int]) -> None:
    toys.add_tables("apples")
    toys.migrate()
    toys.add("0002.alter", "ALTER TABLE public.apples ADD COLUMN name text;\n")
    with ThreadPoolExecutor(1) as pool:
        with holding(toys, "LOCK TABLE public.apples IN ACCESS SHARE MODE"):
            future = pool.submit(toys.migrate)
            until(lambda: said("trying again") or future.done(), seconds=30)
        assert future.result() == ["0002.alter"]


def test_a_hopeless_wait_ends_with_the_name_of_who_is_in_the_way(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.migrate()
    toys.add("0002.alter", "ALTER TABLE public.apples ADD COLUMN name text;\n")
    with (
        holding(toys, "LOCK TABLE public.apples IN ACCESS SHARE MODE"),
        pytest.raises(MigrationFailed) as failed,
    ):
        toys.migrate(patience=1)
    assert "0002.alter gave up after 1 s" in str(failed.value)
    assert "in the way: pid " in str(failed.value)
    assert "the test's client" in str(failed.value)
    assert toys.ledger() == ["0001.apples"]


@pytest.mark.parametrize(
    ("migration", "held", "reason"),
    [
        (
            "ALTER TABLE public.apples ADD COLUMN name text;\n",
            "LOCK TABLE public.apples IN ACCESS SHARE MODE",
            "canceling statement due to lock timeout",
        ),
        (INDEX, "INSERT INTO public.apples VALUES (1)", "it has to wait for others"),
    ],
    ids=["attempts", "one long attempt"],
)
def test_who_is_in_the_way_is_said_once_before_it_is_given_up(
    toys: Toys,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    migration: str,
    held: str,
    reason: str,
) -> None:
    monkeypatch.setattr("oeventdb.schema.worker.SAY_AFTER", 0.3)
    toys.add_tables("apples")
    toys.migrate()
    toys.add("0002.step", migration)
    with holding(toys, held), pytest.raises(MigrationFailed):
        toys.migrate(patience=2)
    [said] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert re.fullmatch(f"0002.step.*: {reason}; in the way: pid .*the test's client.*, trying on", said)


@pytest.mark.parametrize("directive", ["", "-- transactional: false\n"])
def test_clients_never_wait_long_behind_a_waiting_migration(
    toys: Toys, said: Callable[[str], int], directive: str
) -> None:
    toys.add_tables("apples")
    toys.migrate()
    add = "ALTER TABLE public.apples ADD COLUMN IF NOT EXISTS name text;\n"
    toys.add("0002.alter", directive + add)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(toys.dsn, autocommit=True) as client:
        client.execute("SET lock_timeout = '2s'")
        with holding(toys, "LOCK TABLE public.apples IN ACCESS SHARE MODE"):
            future = pool.submit(toys.migrate)
            while said("trying again") < 3 and not future.done():
                client.execute("INSERT INTO public.apples VALUES (1)")
        assert future.result() == ["0002.alter"]


def test_a_migration_lets_go_when_it_keeps_others_waiting(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.migrate()
    toys.add(
        "0002.greedy",
        "LOCK TABLE public.apples IN ACCESS EXCLUSIVE MODE;\nSELECT pg_catalog.pg_sleep(600);\n",
    )
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(toys.migrate, patience=2)
        wait_for(toys, HOLDS_APPLES)
        while not future.done():
            toys.execute("SET lock_timeout = '20s'; SELECT count(*) FROM public.apples")
            time.sleep(0.05)
    assert "it kept others waiting" in str(future.exception())


def test_a_rollback_keeps_its_locks_to_the_end(toys: Toys) -> None:
    toys.add_tables("apples")
    rollback = "LOCK TABLE public.apples IN ACCESS EXCLUSIVE MODE;\nSELECT pg_catalog.pg_sleep(2);\n"
    toys.add("0002.nothing", "SELECT 1;\n", rollback)
    toys.migrate()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(toys.rollback, patience=0.1)
        wait_for(toys, HOLDS_APPLES)
        toys.execute("SELECT count(*) FROM public.apples")
        assert future.result() == ["0002.nothing"]


def test_an_index_that_was_left_half_built_is_built_again(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.migrate()
    toys.execute("INSERT INTO public.apples VALUES (1), (1)")
    toys.add("0002.index", INDEX.replace("CREATE INDEX", "CREATE UNIQUE INDEX"))
    with pytest.raises(MigrationFailed, match="could not create unique index"):
        toys.migrate()
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.apples_id'::regclass"
    assert toys.query(valid) == [(False,)]
    toys.execute("TRUNCATE public.apples")
    assert toys.migrate() == ["0002.index"]
    assert toys.query(valid) == [(True,)]


def test_an_index_that_waits_for_a_transaction_names_it(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.migrate()
    toys.add("0002.index", INDEX)
    with (
        holding(toys, "INSERT INTO public.apples VALUES (1)"),
        pytest.raises(MigrationFailed) as failed,
    ):
        toys.migrate(patience=1)
    assert "0002.index, statement 1 of 1 gave up after 1 s: it has to wait" in str(failed.value)
    assert "the test's client" in str(failed.value)
    assert toys.migrate() == ["0002.index"]
    assert toys.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'apples_id'::regclass") == [(True,)]


def test_an_index_takes_longer_than_transactions_of_the_role_may(toys: Toys) -> None:
    if server_version(toys.dsn) < 170000:
        pytest.skip("there is no transaction_timeout before PostgreSQL 17")
    toys.add_tables("apples")
    toys.migrate()
    toys.execute("INSERT INTO public.apples VALUES (1)")
    toys.execute(
        "CREATE FUNCTION public.slowly(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE"
        " AS 'BEGIN PERFORM pg_catalog.pg_sleep(0.6); RETURN $1; END'"
    )
    toys.add("0002.index", INDEX.replace("(id)", "(public.slowly(id))"))
    dsn = f"{toys.dsn} options='-c transaction_timeout=300ms'"
    assert schema.migrate(dsn, directory=toys.directory) == ["0002.index"]


def test_batches_that_get_on_are_never_given_up(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.migrate()
    toys.execute(
        "CREATE TABLE oeventdb_internal.progress (task text PRIMARY KEY, done bigint, total bigint,"
        " unit text, updated_at timestamptz);"
        "INSERT INTO oeventdb_internal.progress VALUES ('work', 0, 8, 'rows', now())"
    )
    toys.add(
        "0002.batches",
        "-- transactional: false\n"
        "CREATE OR REPLACE PROCEDURE public.work() LANGUAGE plpgsql AS $procedure$\n"
        "BEGIN\n"
        "    UPDATE oeventdb_internal.progress SET done = done + 1;\n"
        "    COMMIT;\n"
        "    PERFORM pg_sleep(0.3);\n"
        "    IF (SELECT done < total FROM oeventdb_internal.progress) THEN\n"
        "        RAISE lock_not_available;\n"
        "    END IF;\n"
        "END\n"
        "$procedure$;\n"
        "CALL public.work();\n",
    )
    assert toys.migrate(patience=0.5) == ["0002.batches"]


def test_an_interrupted_process_undoes_and_releases(toys: Toys) -> None:
    toys.add_tables("apples")
    toys.add("0002.slow", "SELECT pg_catalog.pg_sleep(600);\n")
    process = start(toys)
    wait_for(
        toys,
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND state = 'active' AND pid <> pg_backend_pid()",
    )
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert toys.ledger() == ["0001.apples"]
    wait_for(
        toys,
        "SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'oeventdb%')",
    )


def test_a_forgotten_prepared_transaction_is_named(
    own_server: Callable[..., LocalPostgres], tmp_path: Path
) -> None:
    toys = Toys(tmp_path, own_server(max_prepared_transactions="1").conninfo())
    toys.add_tables("apples")
    toys.migrate()
    for migration in ("ALTER TABLE public.apples ADD COLUMN name text;\n", INDEX):
        toys.add("0002.apples", migration)
        with psycopg.connect(toys.dsn) as connection:
            connection.execute("INSERT INTO public.apples VALUES (1)")
            connection.execute("PREPARE TRANSACTION 'forgotten'")
        with pytest.raises(MigrationFailed, match="in the way: prepared transaction 'forgotten' of postgres"):
            toys.migrate(patience=1)
        toys.execute("ROLLBACK PREPARED 'forgotten'")
    assert toys.migrate() == ["0002.apples"]


def test_an_autovacuum_gives_way(own_server: Callable[..., LocalPostgres], tmp_path: Path) -> None:
    toys = Toys(tmp_path, own_server(autovacuum_naptime="1s").conninfo())
    toys.add_tables("apples")
    toys.migrate()
    toys.execute(
        "ALTER TABLE public.apples SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)"
    )
    toys.execute("INSERT INTO public.apples SELECT generate_series(1, 50000)")
    toys.execute("UPDATE public.apples SET id = id")
    vacuumed = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'autovacuum: VACUUM%public.apples'"
    wait_for(toys, vacuumed)
    toys.add("0002.alter", "ALTER TABLE public.apples ADD COLUMN name text;\n")
    assert toys.migrate(patience=5) == ["0002.alter"]


def test_an_upgrader_that_is_suspended_gives_its_locks_up(
    toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(worker._SETTINGS, "idle_in_transaction_session_timeout", "300ms")
    toys.add_tables("apples")
    toys.migrate()

    def body(connection: psycopg.Connection) -> None:
        connection.execute("LOCK TABLE public.apples")
        assert toys.query(HOLDS_APPLES)
        until(lambda: not toys.query(HOLDS_APPLES), seconds=30)
        connection.execute("SELECT 1")

    with (
        UpgradeLock(toys.dsn, 5) as lock,
        worker.Worker(toys.dsn, lock, patience=5, report=lambda *_: None) as upgrader,
        pytest.raises(DatabaseUnreachable, match="the connection was lost") as lost,
    ):
        upgrader.transaction(body, what="a step")
    assert lost.value.hint == "run the command again to go on"
