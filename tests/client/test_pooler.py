"""The client through pgbouncer in transaction mode: more clients than connections, nothing remembered."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import oeventdb
from oeventdb import Client
from tests import samples
from tests.pooler import POOL_SIZE, is_installed, pgbouncer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oeventdb.servers.postgres import Postgres


@pytest.fixture(scope="module")
def pooled(postgres: Postgres, dsn: str) -> Iterator[str]:
    """The module's database through the pooler."""
    if not is_installed():
        if os.environ.get("OEVENTDB_REQUIRE_SERVERS") == "1":
            pytest.fail("pgbouncer is not installed", pytrace=False)
        pytest.skip("pgbouncer is not installed")
    with pgbouncer(postgres.dsn) as conninfo:
        yield make_conninfo(conninfo, dbname=conninfo_to_dict(dsn)["dbname"])


def test_many_clients_share_few_connections(pooled: str, db: psycopg.Connection, event_id: int) -> None:
    ticket_id = samples.ticket(db, event_id, quantity=20, max_order=10)

    def buy(buyer: int) -> list[int | None]:
        with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as connection:
            client = Client(connection)
            return [
                client.add_ticket_holder(
                    ticket_id=ticket_id, firstname="Ada", lastname=str(buyer)
                ).admission_no
                for _ in range(2)
            ]

    with ThreadPoolExecutor(2 * POOL_SIZE + 2) as threads:
        admissions = [number for pair in threads.map(buy, range(10)) for number in pair]
    assert sorted(number for number in admissions if number) == list(range(1, 21))
    with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as connection:
        with pytest.raises(oeventdb.SoldOut) as caught:
            Client(connection).add_ticket_holder(ticket_id=ticket_id, firstname="Ada", lastname="late")
        assert caught.value.detail == {"ticket_id": ticket_id, "requested": 1, "available": 0}
