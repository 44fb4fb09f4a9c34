"""Thirty-two connections do everything at once while the server is killed: every rule holds afterwards, and nothing is lost.

OEVENTDB_STORM_SECONDS says how long it blows (3), OEVENTDB_STORM_SEED repeats the weather.
"""

from __future__ import annotations

import os
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from oeventdb import Client, Error
from tests.procedures.selling import shop
from tests.procedures.sessions import READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE
from tests.storm.weather import Goods, Log, Sailor

if TYPE_CHECKING:
    from oeventdb.servers.local_postgres import LocalPostgres

SECONDS = float(os.environ.get("OEVENTDB_STORM_SECONDS", "3"))
SEED = int(os.environ.get("OEVENTDB_STORM_SEED", random.randrange(10**6)))
CONNECTIONS = 32
LEVELS = (READ_COMMITTED, READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE)
PATIENCE = 60.0


def test_nothing_is_lost_and_no_rule_is_broken(sea: str, mortal: LocalPostgres) -> None:
    log, over = Log(), threading.Event()
    with psycopg.connect(sea, autocommit=True) as connection:
        goods = Goods.of(connection)
    sailors = [
        Sailor(sea, goods, log, LEVELS[number % len(LEVELS)], SEED * 100 + number, over)
        for number in range(CONNECTIONS)
    ]
    for sailor in sailors:
        sailor.start()
    try:
        time.sleep(SECONDS * random.Random(SEED).uniform(0.3, 0.7))
        mortal.kill9()
        mortal.start()
        time.sleep(SECONDS / 2)
    finally:
        over.set()
        for sailor in sailors:
            sailor.join(PATIENCE)
    report = "\n".join(
        f"{name:15} {state:6} {count}" for (name, state), count in sorted(log.outcomes.items())
    )
    print(f"seed {SEED}\n{report}", *log.faults, sep="\n\n")
    assert not any(sailor.is_alive() for sailor in sailors)
    assert log.faults == []
    with psycopg.connect(sea, autocommit=True) as connection:
        _settle(connection, log)
        assert shop.broken(connection) == []
        assert _lost(connection, log) == []
    assert log.outcomes["place", "done"] > 0
    assert log.outcomes["place", "OE101"] > 0, "the storm was too mild: nothing sold out"


def _settle(connection: psycopg.Connection[Any], log: Log) -> None:
    """Ask again for what was not answered: each key makes one order, whether the first try came through or not."""
    client = Client(connection)
    for key, request in log.in_doubt.items():
        try:
            order = client.place_order(**request)
        except Error:
            continue
        log.placed[order.identifier] = key
        assert client.place_order(**request).identifier == order.identifier


def _lost(connection: psycopg.Connection[Any], log: Log) -> list[str]:
    """What was confirmed and is not there; two orders of one key."""
    found: dict[str, str] = dict(connection.execute("SELECT identifier, status FROM orders").fetchall())
    lost = [identifier for identifier in log.placed if identifier not in found]
    lost += [
        f"{name}: {found.get(name)}, not {state}"
        for name, state in log.finished.items()
        if found.get(name) != state
    ]
    keys = [key for key in log.placed.values() if key is not None]
    lost += [f"two orders of key {key}" for key in set(keys) if keys.count(key) > 1]
    return lost


pytestmark = pytest.mark.filterwarnings("default::pytest.PytestUnhandledThreadExceptionWarning")
