"""The migration of the ratings against the usual way: a function with an EXCEPTION block, then ALTER TYPE.

Realistic: most rows share a few ratings, as the application wrote them, and a few in a hundred are
junk. Uniform: every half star as often as any other, which leaves nothing to be had for free.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import psycopg

from bench._scratch import database, execute, server
from oeventdb import schema

_FILL = """
INSERT INTO public.feedback (rating, comment)
SELECT {rating}, left('I liked it, and so did everybody whom I met there that evening.', 20 + g %% 43)
FROM (SELECT g, random() AS r, random() AS s FROM generate_series(1, %s) AS g) AS x
"""

_REALISTIC = """
CASE
    WHEN r < 0.40 THEN '5.0' WHEN r < 0.47 THEN '5' WHEN r < 0.61 THEN '4.0' WHEN r < 0.65 THEN '4'
    WHEN r < 0.75 THEN '4.5' WHEN r < 0.83 THEN '3.0' WHEN r < 0.87 THEN '3.5' WHEN r < 0.90 THEN '2.0'
    WHEN r < 0.92 THEN '2.5' WHEN r < 0.96 THEN '1.0' WHEN r < 0.97 THEN '0.5'
    ELSE (ARRAY['great!', '', '4.2', ' 4 ', '11', '4,5', 'NaN', '5.00', '-1', 'n/a'])[1 + floor(s * 10)::int]
END
"""

_UNIFORM = """
CASE WHEN r < 0.97 THEN (floor(s * 11) / 2)::numeric(3, 1)::text
     ELSE (ARRAY['great!', '', '4.2', ' 4 ', '11', '4,5', 'NaN', '5.00', '-1', 'n/a'])[1 + floor(s * 10)::int] END
"""

_USUAL = (
    """
    CREATE FUNCTION public.usual_rating(rating text) RETURNS numeric LANGUAGE plpgsql AS $$
    BEGIN
        IF rating::numeric BETWEEN 0 AND 5 THEN
            RETURN round(rating::numeric * 2) / 2;
        END IF;
        RETURN 0;
    EXCEPTION WHEN OTHERS THEN
        RETURN 0;
    END
    $$
    """,
    "UPDATE public.feedback SET rating = public.usual_rating(rating)",
    """
    ALTER TABLE public.feedback
        ALTER COLUMN rating TYPE numeric USING rating::numeric,
        ADD CHECK (rating >= 0 AND rating <= 5 AND rating * 2 = trunc(rating * 2))
    """,
)


def main(arguments: list[str] | None = None) -> None:
    """Print seconds and ratios; the rivals take turns on copies of one database."""
    parser = argparse.ArgumentParser(prog="python -m bench ratings", description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dsn", default=os.environ.get("OEVENTDB_TEST_DSN"))
    options = parser.parse_args(arguments)
    with server(options.dsn) as dsn:
        for name, rating in (("realistic", _REALISTIC), ("uniform", _UNIFORM)):
            with database(dsn) as legacy:
                schema.migrate(legacy, to="0002")
                with psycopg.connect(legacy, autocommit=True) as connection:
                    connection.execute(_FILL.format(rating=rating).encode(), (options.rows,))
                    connection.execute("VACUUM ANALYZE")
                _compare(dsn, legacy, name, options.rows, options.rounds)


def _compare(dsn: str, legacy: str, name: str, rows: int, rounds: int) -> None:
    usual, ours = [], []
    for number in range(1, rounds + 1):
        with database(dsn, legacy) as copy:
            usual.append(_timed(lambda: execute(copy, *_USUAL)))
        with database(dsn, legacy) as copy:
            ours.append(_timed(lambda: schema.migrate(copy, to="0003")))
        print(f"{name}, round {number}: usual {usual[-1]:.1f} s, migration 0003 {ours[-1]:.1f} s", flush=True)
    ratio = statistics.median(theirs / own for theirs, own in zip(usual, ours, strict=True))
    print(f"{rows} {name} ratings: the usual way takes {ratio:.1f} times as long   (at least 3)")


def _timed(run: object) -> float:
    assert callable(run)
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
