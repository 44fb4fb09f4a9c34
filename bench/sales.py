"""Orders a second on one hot ticket: place_order against the limit and against the usual ways.

The rivals are in sales_rivals.sql: a function that inserts exactly the same rows into bare tables
(the limit), the same behind one locked counter row, and count-then-insert behind a locked ticket;
in sales_counter.sql: place_order itself, with a locked counter row in place of the admissions.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import psycopg

from bench import _chart
from bench._load import Load, run
from bench._scratch import database, execute, server
from oeventdb import schema

_RIVALS = Path(__file__).with_name("sales_rivals.sql")
_COUNTER = Path(__file__).with_name("sales_counter.sql")
_CURVE = (1, 2, 4, 8, 16, 32, 64)
_PLACE = 'SELECT * FROM oeventdb.place_order(1, \'[{{"ticket_id": {ticket}, "quantity": {seats}}}]\'::jsonb, {who}{code})'
_WHO = "'buyer@example.com'"


def place(ticket: int, seats: int = 1, code: str | None = None) -> str:
    """The statement that sells seats of a ticket, with a discount code if one is given."""
    given = f", discount_code => '{code}'" if code else ""
    return _PLACE.format(ticket=ticket, seats=seats, who=_WHO, code=given)


def rival(name: str) -> str:
    """The statement that does the same work in a rival's way."""
    return f"SELECT rival.{name}(1, 1, {_WHO})"


def main(arguments: list[str]) -> None:
    """Print the rates as ratios, the curve over the number of clients, and the sale of a whole ticket."""
    parser = argparse.ArgumentParser(prog="python -m bench sales", description=__doc__)
    parser.add_argument("--dsn", help="a server to use instead of an embedded one")
    parser.add_argument("--seconds", type=float, default=10, help="length of each run (10)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each pair is run, in turn (3)")
    parser.add_argument(
        "--sell-out", type=int, default=1_000_000, help="seats to sell down to the last (1000000; 0: skip)"
    )
    parser.add_argument("--chart", type=Path, help="write the curve as SVG to this file")
    options = parser.parse_args(arguments)
    if options.chart and not find_spec("matplotlib"):
        parser.error("--chart needs matplotlib: pip install 'oeventdb[bench]'")
    with server(options.dsn) as server_dsn, database(server_dsn) as dsn:
        _prepare(dsn)
        with database(server_dsn, dsn) as counter_dsn:
            execute(counter_dsn, _COUNTER.read_text())
            _compare(dsn, counter_dsn, options.seconds, options.rounds)
        _variants(dsn, options.seconds)
        _curve(dsn, options.seconds, options.chart)
        if options.sell_out:
            _sell_out(dsn, options.sell_out)


def _prepare(dsn: str) -> None:
    schema.migrate(dsn)
    execute(dsn, _RIVALS.read_text())
    execute(
        dsn,
        "INSERT INTO public.events (id, name, starts_at, ends_at, timezone, state)"
        " VALUES (1, 'Hot', now() + '30 days', now() + '31 days', 'UTC', 'published')",
        "INSERT INTO public.tickets (id, name, type, quantity, price, position, sales_starts_at, sales_ends_at, is_hidden,"
        " min_order, max_order, event_id)"
        " SELECT g, 'ticket ' || g, 'paid', 100000000, 5, 1, now(), now() + '30 days', false, 1, 10, 1"
        " FROM generate_series(1, 2) AS g",
        "SELECT oeventdb.create_discount_code(1, 'LIMITED', 'percent', 10, ticket_ids => '{2}', tickets_number => 100000000)",
        "INSERT INTO rival.tickets (id, sold, quantity) VALUES (1, 0, 100000000)",
        "ANALYZE",
    )


def _compare(dsn: str, counter_dsn: str, seconds: float, rounds: int) -> None:
    print(f"\n32 clients, one hot ticket, orders of one seat, {rounds} x {seconds:g} s each:")
    rivals = {
        "bare": (dsn, rival("bare")),
        "locked_counter": (dsn, rival("locked_counter")),
        "place_order, counter": (counter_dsn, place(1)),
        "count_then_insert": (dsn, rival("count_then_insert")),
    }
    ours: list[Load] = []
    theirs: dict[str, list[Load]] = {name: [] for name in rivals}
    for name, (where, statement) in rivals.items():
        if name == "count_then_insert":
            # only now: an index more would make the others slower
            execute(
                dsn,
                "CREATE INDEX ticket_holders_ticket ON rival.ticket_holders (ticket_id)",
                "ANALYZE rival.ticket_holders",
            )
        for _ in range(rounds):
            theirs[name].append(run(where, statement, clients=32, seconds=seconds))
            ours.append(run(dsn, place(1), clients=32, seconds=seconds))
    execute(dsn, "DROP INDEX rival.ticket_holders_ticket")
    rate = _middle(ours)
    print(f"  {'place_order':20} {rate:8.0f}/s  p50 {_p50(ours):6.1f} ms  p99 {_p99(ours):6.1f} ms")
    for place_in, (name, loads) in enumerate(theirs.items()):
        paired = _middle(ours[place_in * rounds : (place_in + 1) * rounds]) / _middle(loads)
        print(f"  {name:20} {_middle(loads):8.0f}/s  p50 {_p50(loads):6.1f} ms  place_order = {paired:.2f} x")


def _variants(dsn: str, seconds: float) -> None:
    print("\n32 clients, other orders:")
    for name, statement in (("four seats", place(1, seats=4)), ("a limited code", place(2, code="LIMITED"))):
        load = run(dsn, statement, clients=32, seconds=seconds)
        print(f"  {name:20} {load.rate:8.0f}/s  p50 {load.p50:6.1f} ms  p99 {load.p99:6.1f} ms")


def _curve(dsn: str, seconds: float, chart: Path | None) -> None:
    print("\nclients  place_order/s   p50 ms   p99 ms   limit/s   ratio")
    ours, limit = [], []
    for clients in _CURVE:
        limit.append(run(dsn, rival("bare"), clients=clients, seconds=seconds / 2))
        ours.append(run(dsn, place(1), clients=clients, seconds=seconds / 2))
        print(
            f"{clients:7} {ours[-1].rate:14.0f} {ours[-1].p50:8.1f} {ours[-1].p99:8.1f}"
            f" {limit[-1].rate:9.0f} {ours[-1].rate / limit[-1].rate:7.2f}"
        )
    if chart:
        _chart.curve(
            chart,
            "Orders a second on one hot ticket",
            "clients",
            _CURVE,
            {
                "bare inserts (the limit)": [load.rate for load in limit],
                "place_order": [load.rate for load in ours],
            },
        )
        print(f"curve: {chart}")


def _sell_out(dsn: str, quantity: int) -> None:
    print(f"\na ticket of {quantity} sold to the last seat, four seats an order, 32 clients:")
    execute(
        dsn,
        "INSERT INTO public.tickets (id, name, type, quantity, price, position, sales_starts_at, sales_ends_at, is_hidden,"
        f" min_order, max_order, event_id) VALUES (3, 'whole', 'paid', {quantity}, 5, 1, now(), now() + '30 days', false, 1, 10, 1)",
    )
    each = quantity // 10 // 32 // 4
    rates = []
    for tenth in range(1, 11):
        # the last tenth takes what the division left
        load = run(dsn, place(3, seats=4), clients=32, each=each)
        rates.append(load.rate)
        print(f"  tenth {tenth:2}: {load.rate * 4:8.0f} seats/s  p99 {load.p99:6.1f} ms", flush=True)
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT held, available FROM oeventdb.ticket_availability(1) WHERE ticket_id = 3"
        ).fetchone()
    print(f"  held and left: {row}; last tenth = {rates[-1] / rates[0]:.2f} x the first")


def _middle(loads: list[Load]) -> float:
    return sorted(load.rate for load in loads)[len(loads) // 2]


def _p50(loads: list[Load]) -> float:
    return sorted(load.p50 for load in loads)[len(loads) // 2]


def _p99(loads: list[Load]) -> float:
    return sorted(load.p99 for load in loads)[len(loads) // 2]
