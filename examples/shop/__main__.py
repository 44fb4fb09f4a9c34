"""Starts the shop with everything it needs, and stops all of it with Ctrl-C: ``make example``."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import click
import psycopg
import waitress
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool

from examples.shop import sample
from examples.shop.app import create_app
from examples.shop.finder import STARTING, Finder
from oeventdb import Client, schema
from oeventdb.cli.options import API_KEY_VARIABLE
from oeventdb.demo.stage import stage
from oeventdb.errors import OperationError

ROLE = "oeventdb_example_shop"
HOST = "127.0.0.1"
LIMITS = {
    "connect_timeout": 5,
    "options": "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s",
}


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Where the shop listens."
)
@click.option(
    "--elasticsearch-url",
    envvar="OEVENTDB_ELASTICSEARCH_URL",
    help=f"Else one is found or started. An API key is read from {API_KEY_VARIABLE}.",
)
def main(port: int, elasticsearch_url: str | None) -> None:
    """Sell tickets of real conferences on http://127.0.0.1:PORT until Ctrl-C."""
    # that a request waits for a thread for a moment is no news
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    for ended in (signal.SIGTERM, signal.SIGHUP):
        # what nohup has ignored stays so
        if signal.getsignal(ended) is not signal.SIG_IGN:
            signal.signal(ended, lambda *_: sys.exit(0))
    try:
        with (
            _listen(port) as listening,
            stage(
                elasticsearch_url=elasticsearch_url, api_key=os.environ.get(API_KEY_VARIABLE) or None
            ) as servers,
            ThreadPoolExecutor(1) as background,
            ConnectionPool(_prepare(servers.dsn), min_size=1, max_size=8, timeout=5, kwargs=LIMITS) as pool,
            _expiry(pool),
        ):
            finder = Finder()
            app = create_app(pool.connection, secret=secrets.token_hex(), finder=finder)
            background.submit(finder.start, servers)
            click.echo(f"{servers.postgresql}; the shop is open: http://{HOST}:{listening.getsockname()[1]}/")
            waitress.serve(app, sockets=[listening], threads=8, _quiet=True)
            click.echo("closing, once Elasticsearch has started" if finder.notice == STARTING else "closing")
    except OperationError as error:
        raise click.ClickException(f"{error} ({error.hint})" if error.hint else str(error)) from error


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise click.ClickException(
            f"port {port}: {os.strerror(error.errno or 0)}; choose another with --port"
        ) from error


def _prepare(dsn: str) -> str:
    """Migrate and fill the database of the example; return the DSN of the role that the shop logs in as."""
    password = secrets.token_hex()
    schema.migrate(dsn)
    with schema.connect(dsn) as connection:
        sample.fill(connection)
        role = sql.Identifier(ROLE)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
        schema.grant(connection, "app", ROLE)
        schema.grant(connection, "reader", ROLE)
    return make_conninfo(dsn, user=ROLE, password=password)


@contextmanager
def _expiry(pool: ConnectionPool[psycopg.Connection[Any]]) -> Iterator[None]:
    """Free what was not paid in time, as ``oeventdb expire-orders`` does by a timer."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(10):
            with suppress(psycopg.OperationalError), pool.connection() as connection:
                Client(connection).expire_orders()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    main()
