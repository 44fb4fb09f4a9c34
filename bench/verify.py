"""`oeventdb verify` against a rebuild of the same index, and how much memory it takes."""

from __future__ import annotations

from contextlib import ExitStack

from bench import _scratch
from bench._search import Elastic, command, database_of_events, parser, ratio
from oeventdb.servers.elasticsearch import find_elasticsearch

_AT_LEAST = 5


def main(arguments: list[str] | None = None) -> None:
    """Print the ratio; both run as commands, one after the other, in every round."""
    options = parser("verify", __doc__, events=270_000, rounds=3).parse_args(arguments)
    with ExitStack() as stack:
        server = stack.enter_context(_scratch.server(options.dsn))
        found = stack.enter_context(find_elasticsearch(options.elasticsearch_url, on_disk=True))
        print(found.description)
        elastic = Elastic(found.url)
        stack.callback(elastic.clear)
        few = max(options.events // 10, 1)
        with database_of_events(server, few) as dsn:
            command(elastic, dsn, "reindex", "--keep", "0")
            _, peak_of_few = command(elastic, dsn, "verify")
        rebuilds, verifies, peaks = [], [], []
        with database_of_events(server, options.events) as dsn:
            for number in range(1, options.rounds + 1):
                seconds, _ = command(elastic, dsn, "reindex", "--keep", "0")
                rebuilds.append(seconds)
                seconds, peak = command(elastic, dsn, "verify")
                verifies.append(seconds)
                peaks.append(peak)
                print(
                    f"round {number}: reindex {rebuilds[-1]:.2f} s, verify {verifies[-1]:.2f} s", flush=True
                )
    print(
        f"reindex : verify, {options.events} documents   {ratio(rebuilds, verifies):.1f}   (at least {_AT_LEAST})"
    )
    print(
        f"peak memory of verify {peak_of_few:.0f} MB for {few} events, {max(peaks):.0f} MB for {options.events}"
    )


if __name__ == "__main__":
    main()
