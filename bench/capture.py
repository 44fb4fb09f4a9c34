"""What capturing changes of events costs the writers, and what waking the worker would cost them.

pgbench clients change published events in small transactions on a durable server. The triggers are
on and off in turn; then the notification is left out, sent as it is, and sent by every transaction,
with a session that listens, as `oeventdb sync` does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from bench import _scratch
from bench._load import Load, run
from bench._search import database_of_events

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_LEAST = 0.85
_CLIENTS = (8, 16, 32)
_TRIGGERS = (
    "search_event_inserted",
    "search_event_deleted",
    "search_event_updated",
    "search_events_truncated",
)

# the worst case: nothing but changes that the index shows, in transactions of one UPDATE
_WORST = """\
\\set id random(1, {events})
UPDATE public.events SET name = 'Renamed ' || :id || ' ' || random() WHERE id = :id;"""

# An organizer saves the form of an event: the row is read, and what has changed is written. One in
# three events is a draft; of the changes of the others, half are of columns that the index shows.
_DRAFTS = "UPDATE public.events SET state = 'draft' WHERE id % 3 = 0"
_MIXED = """\
\\set kind random(0, 2)
\\set id random(1, {events} / 3) * 3 - :kind
BEGIN;
SELECT * FROM public.events WHERE id = :id;
UPDATE public.events SET
    name = CASE :kind::int WHEN 2 THEN name ELSE 'Renamed ' || random() END,
    logo_url = CASE :kind::int WHEN 2 THEN 'logo ' || random() ELSE logo_url END
WHERE id = :id;
COMMIT;"""

_WAKE = "pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('oeventdb search wake', 0))"
_WAKES = {
    "nobody notifies": "false",
    "one at a time, as it is": _WAKE,
    "everybody notifies": "true",
}


class _Watch(threading.Thread):
    """Counts what the clients wait for, as often as it can look."""

    def __init__(self, dsn: str) -> None:
        super().__init__(daemon=True)
        self._dsn = dsn
        self._over = threading.Event()
        self.seen: Counter[str] = Counter()

    def run(self) -> None:
        """Look every 20 ms."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self._over.wait(0.02):
                rows = connection.execute(
                    "SELECT wait_event_type || ':' || wait_event FROM pg_stat_activity"
                    " WHERE application_name = 'pgbench' AND state <> 'idle' AND wait_event IS NOT NULL"
                )
                self.seen.update(event for (event,) in rows)

    def stop(self) -> str:
        """Return the events waited for most, with their shares."""
        self._over.set()
        self.join()
        total = self.seen.total() or 1
        return ", ".join(f"{event} {count / total:.0%}" for event, count in self.seen.most_common(3))


def main(arguments: list[str] | None = None) -> None:
    """Print writers' throughput with capture on against off, and by who notifies."""
    parser = argparse.ArgumentParser(prog="python -m bench capture", description=__doc__)
    parser.add_argument("--dsn", default=os.environ.get("OEVENTDB_TEST_DSN"), help="a server to use instead")
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, default=5, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    with _scratch.server(options.dsn) as server, database_of_events(server, options.events) as dsn:
        worst = _WORST.format(events=options.events)
        _on_and_off(dsn, "worst case", worst, options.seconds, options.rounds)
        _notifying(dsn, worst, options.seconds, options.rounds)
        _scratch.execute(dsn, _DRAFTS)
        mixed = _MIXED.format(events=options.events)
        _on_and_off(dsn, "mixed", mixed, options.seconds, options.rounds)


def _measure(dsn: str, script: str, clients: int, seconds: float) -> Load:
    """Run the script with an empty outbox, so that each change has to take a place in it."""
    _scratch.execute(
        dsn, "TRUNCATE oeventdb_internal.search_outbox", "VACUUM ANALYZE public.events", "CHECKPOINT"
    )
    return run(dsn, script, clients=clients, seconds=seconds)


def _capture(dsn: str, *, on: bool) -> None:
    actions = ", ".join(f"{'ENABLE' if on else 'DISABLE'} TRIGGER {trigger}" for trigger in _TRIGGERS)
    _scratch.execute(dsn, f"ALTER TABLE public.events {actions}")


def _on_and_off(dsn: str, name: str, script: str, seconds: float, rounds: int) -> None:
    print(f"\n{name}: transactions a second, capture on : off   (at least {_AT_LEAST})")
    for clients in _CLIENTS:
        pairs = []
        for number in range(rounds):
            loads = {}
            for on in (True, False) if number % 2 else (False, True):
                _capture(dsn, on=on)
                loads[on] = _measure(dsn, script, clients, seconds)
            pairs.append((loads[True], loads[False]))
        _capture(dsn, on=True)
        ratios = sorted(on.rate / off.rate for on, off in pairs)
        on, off = (statistics.median(load.rate for load in side) for side in zip(*pairs, strict=True))
        slow = statistics.median(on.p99 / off.p99 for on, off in pairs)
        print(
            f"  {clients:2} clients: {on:6.0f} : {off:6.0f} = {statistics.median(ratios):.2f}"
            f"   (rounds {ratios[0]:.2f} to {ratios[-1]:.2f}; p99 latency {slow:.2f} x)",
            flush=True,
        )


def _notifying(dsn: str, script: str, seconds: float, rounds: int) -> None:
    print("\nworst case, by who notifies, with one session that listens:")
    for clients in _CLIENTS:
        rates: dict[str, list[float]] = {name: [] for name in _WAKES}
        waits: dict[str, str] = {}
        for _ in range(rounds):
            for name in _WAKES:
                with _waking(dsn, name), _listening(dsn):
                    watch = _Watch(dsn)
                    watch.start()
                    rates[name].append(_measure(dsn, script, clients, seconds).rate)
                    waits[name] = watch.stop()
        silent = rates["nobody notifies"]
        for name, found in rates.items():
            ratio = statistics.median(rate / quiet for rate, quiet in zip(found, silent, strict=True))
            print(
                f"  {clients:2} clients, {name:23} {statistics.median(found):6.0f}/s = {ratio:.2f}"
                f"   waits: {waits[name]}",
                flush=True,
            )


@contextmanager
def _waking(dsn: str, name: str) -> Iterator[None]:
    """Have the trigger notify otherwise during the block."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(
            "SELECT pg_get_functiondef('oeventdb_internal.capture_event_change()'::regprocedure)"
        ).fetchone()
        assert row is not None
        shipped = str(row[0])
        assert _WAKE in shipped
        connection.execute(shipped.replace(_WAKE, _WAKES[name]).encode())
        try:
            yield
        finally:
            connection.execute(shipped.encode())


@contextmanager
def _listening(dsn: str) -> Iterator[None]:
    """Have a session listen and read what it is sent, as a worker does."""
    over = threading.Event()

    def listen() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("LISTEN oeventdb_search")
            while not over.is_set():
                for _ in connection.notifies(timeout=0.2, stop_after=1):
                    # a worker that was woken has work to do before it listens again
                    time.sleep(0.05)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    main()
