"""The command that a timer runs while tickets are sold."""

from __future__ import annotations

import click
from psycopg import errors

from oeventdb import Client, schema
from oeventdb.cli.options import Settings, common_options
from oeventdb.cli.output import note, print_json
from oeventdb.cli.progress import progress_bars
from oeventdb.connection import limit_waiting
from oeventdb.errors import Refused


@click.command("expire-orders")
@click.option(
    "--batch",
    type=click.IntRange(1, 2**31 - 1),
    default=1000,
    show_default=True,
    metavar="N",
    help="Orders in one transaction.",
)
@common_options
def expire_orders(settings: Settings, batch: int) -> None:
    """Free the seats of orders that were not paid in time.

    Batch after batch, each in a transaction of its own, until no order is overdue. Run it every
    minute; several at once share the work.

    \b
    Example:
      oeventdb expire-orders
      oeventdb expire-orders --json | jq .expired
    """
    expired = 0
    with schema.connect(settings.dsn, autocommit=True) as connection, progress_bars() as report:
        client = Client(connection)
        while True:
            with connection.transaction():
                limit_waiting(connection)
                try:
                    count = client.expire_orders(batch=batch)
                except (errors.InvalidSchemaName, errors.UndefinedFunction) as exc:
                    raise Refused(
                        "this database expires no orders yet", hint="run `oeventdb migrate` first"
                    ) from exc
            if not count:
                break
            expired += count
            report("expire orders", expired, None)
    if settings.as_json:
        print_json({"expired": expired})
    else:
        note(f"{expired} {'order' if expired == 1 else 'orders'} expired")
