"""Migrations run through a pooler in transaction mode, and leave nothing of theirs in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from oeventdb import schema
from oeventdb.connection import limit_waiting
from oeventdb.demo.loading import LOADING_ORDER, load
from oeventdb.errors import Refused
from oeventdb.schema.lock import UpgradeLock
from tests import traps
from tests.legacy import digest
from tests.legacy.generator import Size, generate
from tests.migrations.toys import Toys
from tests.pooler import POOL_SIZE, is_installed, pgbouncer

if TYPE_CHECKING:
    from pathlib import Path

    from oeventdb.servers.postgres import Postgres

SETTINGS = ("search_path", "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")


@pytest.fixture(scope="module")
def pooler(postgres: Postgres) -> Iterator[str]:
    if not is_installed():
        if os.environ.get("OEVENTDB_REQUIRE_SERVERS") == "1":
            pytest.fail("pgbouncer is not installed", pytrace=False)
        pytest.skip("pgbouncer is not installed")
    with pgbouncer(postgres.dsn) as conninfo:
        yield conninfo


def through(pooler: str, dsn: str) -> str:
    return make_conninfo(pooler, dbname=conninfo_to_dict(dsn)["dbname"])


def settings(connection: psycopg.Connection) -> tuple[str, ...]:
    columns = ", ".join(f"current_setting('{name}')" for name in SETTINGS)
    return connection.execute(f"SELECT {columns}".encode()).fetchone() or ()


def test_dirty_data_is_migrated_and_restored(pooler: str, legacy: str) -> None:
    dsn = through(pooler, legacy)
    with psycopg.connect(legacy) as connection:
        load(connection, generate(6, Size(events=15, holders=80, feedback=80)))
        before = digest.rows(connection, LOADING_ORDER)
        untouched = settings(connection)
    assert schema.migrate(dsn) == [m.id for m in schema.load()[1:]]
    with schema.connect(dsn) as connection:
        assert schema.check(connection) == []
    with ExitStack() as stack:
        clients = [
            stack.enter_context(psycopg.connect(dsn, prepare_threshold=None)) for _ in range(POOL_SIZE)
        ]
        assert {settings(client) for client in clients} == {untouched}
    schema.rollback(dsn, to="0001")
    with psycopg.connect(legacy) as connection:
        assert digest.rows(connection, LOADING_ORDER) == before


def test_nothing_is_run_that_others_have_put_into_public(pooler: str, legacy: str) -> None:
    dsn = through(pooler, legacy)
    with psycopg.connect(legacy) as connection:
        load(connection, generate(6, Size(events=15, holders=80, feedback=80)))
        # statements outside transactions have it, as a pooler takes no settings at the start
        connection.execute(
            f"ALTER DATABASE {connection.info.dbname} SET search_path = {traps.ABOVE_ALL}".encode()
        )
    traps.lay(legacy)
    assert schema.migrate(dsn) == [m.id for m in schema.load()[1:]]
    with schema.connect(dsn) as connection:
        limit_waiting(connection)
        assert schema.check(connection) == []
    schema.rollback(dsn, to="0001")


def test_of_several_upgraders_one_works(pooler: str, empty: str, tmp_path: Path) -> None:
    toys = Toys(tmp_path, through(pooler, empty))
    toys.add_tables("apples", "boxes")
    toys.add("0003.slow", "SELECT pg_catalog.pg_sleep(0.5);\n")
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda _: toys.migrate(), range(6)))
    assert [result for result in results if result] == [["0001.apples", "0002.boxes", "0003.slow"]]


def test_the_lock_is_the_same_on_either_way(pooler: str, empty: str, tmp_path: Path) -> None:
    toys = Toys(tmp_path, empty)
    toys.add_tables("apples")
    with UpgradeLock(through(pooler, empty), patience=0), pytest.raises(Refused):
        toys.migrate(patience=0.2)
    assert toys.migrate() == ["0001.apples"]
