"""A database that cannot be reached is one line without secrets."""

from __future__ import annotations

import os
import socket
import threading
import time
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from oeventdb import schema
from oeventdb.connection import unhindered
from oeventdb.errors import DatabaseUnreachable
from oeventdb.servers.postgres import Postgres
from tests.roles import Roles
from tests.search.proxy import Proxy

SECRET = "hunter2"


def failure(dsn: str) -> str:
    with pytest.raises(DatabaseUnreachable) as unreachable:
        schema.connect(dsn)
    message = str(unreachable.value)
    assert "\n" not in message
    assert SECRET not in message
    assert SECRET not in str(unreachable.value.hint)
    assert unreachable.value.exit_code == 4
    return message


def client_socket(connection: psycopg.Connection) -> socket.socket:
    return socket.socket(fileno=os.dup(connection.fileno()))


def test_a_connection_says_who_it_is_and_prepares_nothing(empty: str) -> None:
    with schema.connect(empty) as connection:
        assert connection.info.parameter_status("application_name") == "oeventdb"
        assert connection.prepare_threshold is None
        assert not connection.autocommit
    with schema.connect(empty, autocommit=True, prepare_threshold=5) as connection:
        assert connection.autocommit
        assert connection.prepare_threshold == 5


def test_each_side_looks_whether_the_other_is_still_there(listening: tuple[str, int]) -> None:
    host, port = listening
    dsn = f"host={host} port={port} user=postgres"
    with schema.connect(dsn) as connection, client_socket(connection) as client:
        unhindered(connection)
        assert connection.execute("SHOW tcp_keepalives_idle").fetchone() == ("60",)
        assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 120_000
    with schema.connect(f"{dsn} keepalives_idle=7") as connection, client_socket(connection) as client:
        assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7


def test_a_name_in_the_dsn_is_kept(empty: str) -> None:
    with schema.connect(make_conninfo(empty, application_name="mine")) as connection:
        assert connection.info.parameter_status("application_name") == "mine"


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://me:{SECRET}@localhost:1/db",
        f"host=localhost port=1 user=me password={SECRET}",
        "host=/nowhere/at/all",
    ],
)
def test_a_server_that_is_not_there(dsn: str) -> None:
    assert "failed" in failure(dsn)


@pytest.mark.parametrize(
    "dsn",
    [f"postgres:{SECRET}@host", SECRET, f"{SECRET}=1", f"postgresql://h/d?{SECRET}=1", "host='"],
)
def test_a_dsn_that_is_none_is_not_repeated(dsn: str) -> None:
    assert failure(dsn) == "the DSN cannot be read"


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://me:p@{SECRET}@localhost:1/db",
        f"postgresql://me:p@{SECRET}@@localhost,elsewhere:1/db",
        f"postgresql://me:p@,{SECRET}@localhost:1/db",
        f"postgresql://me:{SECRET}/p@/db?host=/nowhere",
        f"host=localhost@{SECRET}",
        f"host=localhost port={SECRET}",
    ],
)
def test_pieces_of_a_password_that_a_url_has_not_escaped_are_not_repeated(dsn: str) -> None:
    assert failure(dsn) == "the host or port in the DSN is none"


def test_an_address_with_colons_needs_brackets_in_a_url() -> None:
    with pytest.raises(DatabaseUnreachable, match="the host or port in the DSN is none") as caught:
        schema.connect("postgresql://me@::1:1/db")
    assert "an IPv6 address in brackets" in (caught.value.hint or "")
    assert "failed" in failure("postgresql://me@[::1]:1/db")


@pytest.mark.parametrize("host", ["/nowhere/me@home", "@nowhere", "/nowhere,/no@where,@nowhere"])
def test_a_socket_may_be_at_a_name_of_any_letters(host: str) -> None:
    assert "failed" in failure(f"host={host} port=' 1 '")


def test_a_host_that_cannot_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "host's name" in failure(f"postgresql://me:{SECRET}@a..b/db")
    monkeypatch.setenv("PGHOST", 64 * "a")
    assert "host's name" in failure("dbname=db")


def test_a_value_that_psycopg_reads_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "connect_timeout" in failure("host=/nowhere connect_timeout=soon")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "soon")
    assert "connect_timeout" in failure("host=/nowhere")


def test_a_database_that_is_not_there(empty: str) -> None:
    assert '"nowhere" does not exist' in failure(make_conninfo(empty, dbname="nowhere"))


def test_a_role_that_is_not_there(empty: str, roles: Roles) -> None:
    assert failure(roles.login(empty, f"nobody_{SECRET[:3]}"))


def test_a_server_that_does_not_answer_is_not_waited_for_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        failure(f"host=127.0.0.1 port={port} user=me password={SECRET} connect_timeout=2")
        assert time.monotonic() - started < 30


def test_a_server_that_stands_still_with_its_connections_open_is_lost(
    listening: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(*listening) as proxy:
        port = proxy.url.rpartition(":")[2]
        connection = schema.connect(f"host=127.0.0.1 port={port} user=postgres")
        # not before: a busy server may take as long to begin with
        monkeypatch.setattr("oeventdb.connection._LONGEST_SILENCE", 0.2)
        monkeypatch.setattr("oeventdb.connection._LONGEST_ANSWER", 0.2)
        proxy.flowing.clear()
        # should it wait, the proxy lets go of it
        release = threading.Timer(20, proxy.flowing.set)
        release.start()
        with pytest.raises(psycopg.OperationalError, match="does not answer"), connection.transaction():
            connection.execute("SELECT 1")
        release.cancel()
    assert connection.closed


def test_a_long_silence_of_a_server_that_answers_others_if_only_to_refuse_is_waited_for(
    owned: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oeventdb.connection._LONGEST_SILENCE", 0.1)
    with schema.connect(owned) as connection:
        with psycopg.connect(postgres.dsn) as admin:
            role = sql.Identifier(connection.info.user)
            admin.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 1").format(role))
        assert connection.execute("SELECT 1 FROM pg_sleep(0.5)").fetchone() == (1,)


def test_a_long_silence_of_a_server_where_logins_wait_is_waited_for(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oeventdb.connection._LONGEST_SILENCE", 0.1)
    dsn = make_conninfo(postgres.dsn, connect_timeout=2)
    with psycopg.connect(postgres.dsn) as admin, schema.connect(dsn) as connection:
        admin.execute("LOCK TABLE pg_catalog.pg_authid IN ACCESS EXCLUSIVE MODE")
        assert connection.execute("SELECT 1 FROM pg_sleep(0.5)").fetchone() == (1,)


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_role_s_settings_do_not_change_how_dates_are_read_and_transactions_begin(
    empty: str, autocommit: bool
) -> None:
    options = r"-c DateStyle=German -c default_transaction_isolation=serializable"
    with schema.connect(make_conninfo(empty, options=options), autocommit=autocommit) as connection:
        assert connection.info.transaction_status == 0
        with connection.transaction():
            row = connection.execute(
                "SELECT '2026-11-27 10:00Z'::timestamptz, current_setting('transaction_isolation')"
            ).fetchone()
    assert row == (datetime(2026, 11, 27, 10, tzinfo=UTC), "read committed")
