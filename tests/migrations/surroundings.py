"""A legacy database, and what others may have put around its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from tests.legacy import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS = """
INSERT INTO users (id, _email, _password) VALUES (1, 'a@example.org', 'x');
INSERT INTO events (id, name, starts_at, ends_at, timezone) VALUES (1, 'one', now(), now(), 'UTC');
INSERT INTO tickets (id, name, type, quantity, sales_starts_at, sales_ends_at, event_id)
VALUES (1, 'two seats', 'free', 2, now(), now() + interval '1 day', 1);
INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id) SELECT g, 'A', 'B', 1, 1 FROM generate_series(1, 5) AS g;
INSERT INTO feedback (id, rating, user_id, event_id) VALUES (1, '4.7', 1, 1), (2, 'great', NULL, 1);
INSERT INTO discount_codes (id, code, type, value, used_for, event_id, tickets) VALUES (1, 'A', 'percent', 10, 'ticket', 1, ' 1,');
"""

BADGES = """
CREATE SCHEMA print_shop;
CREATE TABLE attendee_badges (id serial PRIMARY KEY, holder_id bigint REFERENCES ticket_holders ON DELETE CASCADE, "Shape" text);
CREATE TABLE print_shop.prints (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), badge_id int NOT NULL REFERENCES public.attendee_badges ON DELETE CASCADE,
    pages int NOT NULL, twice int GENERATED ALWAYS AS (pages * 2) STORED
);
CREATE TABLE phone_calls (
    year int, number int, caller bigint REFERENCES ticket_holders ON DELETE SET NULL, minutes float8, PRIMARY KEY (year, number)
);
INSERT INTO attendee_badges (holder_id, "Shape") SELECT id, 'round ' || id FROM ticket_holders WHERE id <> 4;
INSERT INTO attendee_badges (holder_id, "Shape") VALUES (5, NULL), (NULL, 'blank');
INSERT INTO print_shop.prints (badge_id, pages) SELECT id, id * 10 FROM attendee_badges, generate_series(1, 2);
INSERT INTO phone_calls SELECT 2018, id, id, id / 7.0 FROM ticket_holders;
"""
AROUND = {"public": ("attendee_badges", "phone_calls", "ticket_holders"), "print_shop": ("prints",)}


def run(dsn: str, *statements: str) -> None:
    """Run statements, each by itself."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def query(dsn: str, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(statement.encode(), values).fetchall()


def server_version(dsn: str) -> int:
    """Return the version as libpq has it, e.g. 180004."""
    with psycopg.connect(dsn) as connection:
        return connection.info.server_version


def rows(dsn: str) -> list[dict[str, str]]:
    """Return a digest of the holders and of what points at them."""
    with psycopg.connect(dsn) as connection:
        return [digest.rows(connection, tables, name) for name, tables in AROUND.items()]


def shape(dsn: str) -> list[str]:
    """Return what is defined on the tables whose columns a migration replaces."""
    tables = ("feedback", "discount_codes")
    more = """
        SELECT stxname::text FROM pg_statistic_ext
        UNION ALL SELECT attrelid::regclass || attname || attacl::text FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid > 16384 AND NOT attisdropped
        UNION ALL SELECT attrelid::regclass || attname || attstattarget FROM pg_attribute
        WHERE attstattarget >= 0 AND attrelid > 16384 AND attnum > 0 AND NOT attisdropped
        UNION ALL SELECT d.name || description FROM pg_description, pg_describe_object(classoid, objoid, objsubid) AS d (name)
        WHERE objoid > 16384 AND d.name NOT LIKE '%oeventdb%'
        UNION ALL SELECT attrelid::regclass || attname || attcollation::regcollation FROM pg_attribute
        WHERE attrelid IN ('feedback'::regclass, 'discount_codes'::regclass) AND attcollation > 0 AND NOT attisdropped
    """
    with psycopg.connect(dsn) as connection:
        return [*digest.shape(connection, tables), *sorted(line for (line,) in connection.execute(more))]
