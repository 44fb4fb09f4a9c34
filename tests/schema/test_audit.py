"""Audit counts the rows that break a rule, before and after the migrations, and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from oeventdb import schema
from oeventdb.demo.loading import LOADING_ORDER, load
from oeventdb.errors import Refused
from oeventdb.schema.audit import SAMPLE_SIZE, audit, rules
from tests.legacy import digest, junk, oracle
from tests.legacy.generator import Size, generate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Databases

LEGACY_EVENT = """
INSERT INTO events (id, name, starts_at, ends_at, timezone, identifier, state) VALUES
    (1, 'one', now(), now(), 'UTC', 'aaaa', 'published'), (2, 'two', now(), now(), 'UTC', 'bbbb', 'draft');
INSERT INTO users (id, _email, _password) VALUES (1, 'a@example.org', '-'), (2, 'b@example.org', '-');
INSERT INTO tickets (id, name, type, quantity, price, sales_starts_at, sales_ends_at, event_id) VALUES
    (1, 'two seats', 'paid', 2, 10, now(), now() + interval '1 day', 1),
    (2, 'no limit', 'free', NULL, 0, now(), now() + interval '1 day', 1),
    (3, 'elsewhere', 'free', 5, 0, now(), now() + interval '1 day', 2);
INSERT INTO ticket_tag (id, name, event_id) VALUES (1, 'tag', 1);
"""

CODE = "INSERT INTO discount_codes (id, code, type, value, used_for, event_id, {}) VALUES (7, 'C', 'percent', 5, 'ticket', 1, {})"

CASES = [
    ("feedback_duplicate", "INSERT INTO feedback (id, rating, user_id, event_id) VALUES (1, '1', 1, 1), (2, '2', 1, 1), (3, '3', 2, 1), (4, '3', NULL, 1), (5, '3', NULL, 1)", ["1"]),
    ("holder_without_ticket", "INSERT INTO ticket_holders (id, firstname, lastname, event_id) VALUES (5, 'a', 'b', 1)", ["5"]),
    ("holder_event_missing", "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id) VALUES (5, 'a', 'b', 1)", ["5"]),
    ("holder_event_contradicts_ticket", "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id) VALUES (5, 'a', 'b', 1, 2)", ["5"]),
    ("holder_order_of_other_event", "INSERT INTO orders (id, event_id) VALUES (4, 2); INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id, order_id) VALUES (5, 'a', 'b', 1, 1, 4)", ["5"]),
    ("order_of_other_event", "INSERT INTO orders (id, event_id) VALUES (4, 2), (5, NULL), (6, 1); INSERT INTO orders_tickets VALUES (4, 1, 1), (5, 1, 1), (6, 1, 1)", ["4:1"]),
    ("discount_code_kind", "INSERT INTO discount_codes (id, code, type, value, used_for) VALUES (1, 'C', 'amount', 5, 'Ticket'), (2, 'C', 'rebate', 5, 'event'), (3, 'C', 'amount', 5, 'event')", ["1", "2"]),
    ("discount_code_value", "INSERT INTO discount_codes (id, code, type, value, used_for) VALUES (1, 'C', 'percent', 150, 'ticket'), (2, 'C', 'amount', 'NaN', 'event'), (3, 'C', 'amount', -1, 'event'), (4, 'C', 'amount', 'Infinity', 'event'), (5, 'C', 'amount', 150, 'event'), (6, 'C', 'percent', 100, 'event')", ["1", "2", "3", "4"]),
    ("discount_code_quantities", CODE.format("min_quantity, max_quantity", "3, 2"), ["7"]),
    ("discount_code_quantities", CODE.format("tickets_number, max_quantity", "3, 4"), ["7"]),
    ("discount_code_quantities", CODE.format("tickets_number, max_quantity", "NULL, NULL"), []),
    ("discount_code_dates", CODE.format("valid_from, valid_till", "now(), now()"), ["7"]),
    ("discount_code_dates", CODE.format("valid_from, valid_till", "now(), NULL"), []),
    ("discount_code_duplicate", "INSERT INTO discount_codes (id, code, type, value, used_for, event_id) VALUES (1, 'early', 'amount', 5, 'ticket', 1), (2, 'EARLY', 'amount', 5, 'ticket', 1), (3, 'early', 'amount', 5, 'ticket', 2), (4, 'early', 'amount', 5, 'event', NULL), (5, 'early', 'amount', 5, 'event', NULL)", ["2"]),
    ("discount_code_tickets_unknown", CODE.format("tickets", "' 1,x, ,999,,99999999999999999999'"), ["7:x", "7:999", "7:99999999999999999999"]),
    ("discount_code_tickets_unknown", CODE.format("tickets", "' '"), []),
    ("discount_code_tickets_other_event", CODE.format("tickets", "'1,3'"), ["7:3"]),
    ("discount_code_tickets_claimed_twice", CODE.format("tickets", "'1, 1,2'") + ", (8, 'D', 'percent', 5, 'ticket', 1, E'2\\n')", ["8:2"]),
    ("discount_code_tickets_event_kind", "INSERT INTO discount_codes (id, code, type, value, used_for, tickets) VALUES (1, 'C', 'amount', 5, 'event', '1'), (2, 'C', 'amount', 5, 'event', 'event')", ["1"]),
    ("discount_code_blank", "INSERT INTO discount_codes (id, code, type, value, used_for) VALUES (1, E' \\t', 'amount', 5, 'ticket'), (2, 'C', 'amount', 5, 'ticket')", ["1"]),
    ("discount_code_amount_above_price", "INSERT INTO discount_codes (id, code, type, value, used_for, event_id, tickets) VALUES (1, 'C', 'amount', 10.01, 'ticket', 1, '1,2'), (2, 'D', 'amount', 10, 'ticket', 1, '1'), (3, 'E', 'percent', 50, 'ticket', 1, '1')", ["1:1", "1:2"]),
    ("discount_code_uses", CODE.format("tickets_number", "5"), []),
    ("access_code_uses", "INSERT INTO access_codes (id, tickets_number) VALUES (1, 5)", []),
    ("access_code_quantities", "INSERT INTO access_codes (id, min_quantity, max_quantity, tickets_number) VALUES (1, 2, 1, 5), (2, 1, 1, 1), (3, NULL, NULL, -1), (4, NULL, NULL, NULL), (5, NULL, 3, 2)", ["1", "3", "5"]),
    ("holder_without_admission", "INSERT INTO ticket_holders (firstname, lastname, ticket_id, event_id) VALUES ('a', 'b', 1, 1)", []),
    ("association_incomplete", "INSERT INTO association VALUES (1, NULL), (NULL, 1), (1, 1)", ["-:1", "1:-"]),
    ("association_duplicate", "INSERT INTO association VALUES (1, 1), (1, 1), (1, 1), (2, 1)", ["1:1"]),
    ("event_identifier_missing", "UPDATE events SET identifier = NULL WHERE id = 2", ["2"]),
    ("event_identifier_duplicate", "UPDATE events SET identifier = 'same'", ["2"]),
    ("event_state_unknown", "UPDATE events SET state = CASE id WHEN 1 THEN 'Draft' END", ["1", "2"]),
    ("ticket_without_event", "UPDATE tickets SET event_id = NULL WHERE id = 2", ["2"]),
    ("ticket_definition", "UPDATE tickets SET price = 'NaN' WHERE id = 1; UPDATE tickets SET min_order = 3, max_order = 2 WHERE id = 3", ["1", "3"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def legacy_event(databases: Databases, legacy_template: str) -> Iterator[psycopg.Connection]:
    """A connection to a clean legacy database, whose changes are to be undone."""
    with psycopg.connect(databases.create(legacy_template), autocommit=True) as connection:
        connection.execute(LEGACY_EVENT)
        yield connection


@pytest.mark.parametrize(("rule", "statement", "keys"), CASES)
def test_each_rule_names_the_rows_that_break_it(
    legacy_event: psycopg.Connection, rule: str, statement: str, keys: list[str]
) -> None:
    (query,) = (each.query for each in rules() if each.name == rule)
    with legacy_event.transaction(force_rollback=True):
        legacy_event.execute(statement)
        found = legacy_event.execute(query).fetchall()
    assert sorted(key for (key,) in found) == sorted(keys)


def test_a_clean_legacy_database_breaks_no_rule(legacy_event: psycopg.Connection) -> None:
    assert [result for result in audit(legacy_event) if result.violations] == []


@pytest.mark.parametrize(
    ("rating", "broken"),
    [(rating, None) for rating in junk.CLEAN_RATINGS + junk.HALF_STAR_RATINGS_WRITTEN_ODDLY]
    + [(rating, "rating_not_half_star") for rating in junk.ROUNDED_RATINGS]
    + [(rating, "rating_unreadable") for rating in junk.UNREADABLE_RATINGS],
)
def test_ratings_are_told_apart(legacy_ratings: dict[str, set[str]], rating: str, broken: str | None) -> None:
    assert {rule for rule, ratings in legacy_ratings.items() if rating in ratings} == (
        {broken} if broken else set()
    )


@pytest.fixture(scope="module")
def legacy_ratings(databases: Databases, legacy_template: str) -> dict[str, set[str]]:
    """By rule, the ratings that break it, out of all that are known."""
    ratings = (
        junk.CLEAN_RATINGS
        + junk.HALF_STAR_RATINGS_WRITTEN_ODDLY
        + junk.ROUNDED_RATINGS
        + junk.UNREADABLE_RATINGS
    )
    found: dict[str, set[str]] = {}
    with psycopg.connect(databases.create(legacy_template)) as connection:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO feedback (rating) VALUES (%s)", [(rating,) for rating in ratings])
        for rule in rules():
            if rule.name.startswith("rating_"):
                rows = connection.execute(
                    f"SELECT rating FROM feedback WHERE id::text IN ({rule.query})"
                ).fetchall()
                found[rule.name] = {row[0] for row in rows}
    return found


@pytest.mark.parametrize("seed", range(5))
def test_those_beyond_the_quantity_are_the_dead_orders_then_the_latest(legacy: str, seed: int) -> None:
    tables = generate(seed)
    with psycopg.connect(legacy) as connection:
        load(connection, tables)
        rule = next(rule for rule in rules() if rule.name == "ticket_oversold")
        found = {int(row[0]) for row in connection.execute(rule.query).fetchall()}
    assert found == oracle.oversold(tables)
    assert found


def test_audit_needs_to_write_nothing_and_writes_nothing(legacy: str) -> None:
    with psycopg.connect(legacy, autocommit=True) as connection:
        load(connection, generate(1))
        before = digest.rows(connection, LOADING_ORDER)
    with psycopg.connect(legacy, options="-c default_transaction_read_only=on") as connection:
        results = audit(connection)
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert digest.rows(connection, LOADING_ORDER) == before
    assert sum(result.violations for result in results) > 1000


def test_a_sample_holds_the_least_keys(legacy: str) -> None:
    with psycopg.connect(legacy) as connection:
        load(connection, generate(1, Size(events=100)))
        connection.commit()
        found = next(result for result in audit(connection) if result.rule == "holder_without_ticket")
        keys = connection.execute(
            "SELECT id::text FROM ticket_holders AS h WHERE ticket_id IS NULL ORDER BY h.id"
        ).fetchall()
    assert found.violations == len(keys)
    assert found.sample == [key[0] for key in keys[:SAMPLE_SIZE]]


@dataclass(frozen=True)
class Migrated:
    """A connection to a database after the migrations, and the violations by rule before and after each of them."""

    connection: psycopg.Connection
    violations: list[dict[str, int]]


@pytest.fixture(scope="module")
def migrated_dirt(databases: Databases, legacy_template: str) -> Iterator[Migrated]:
    """A dirty legacy database that was migrated step by step; tests here only read."""
    dsn = databases.create(legacy_template)
    with psycopg.connect(dsn, autocommit=True) as connection:
        load(connection, generate(4))
        violations = []
        for migration in schema.load():
            schema.migrate(dsn, to=migration.id)
            violations.append({result.rule: result.violations for result in audit(connection)})
        yield Migrated(connection, violations)


def test_every_step_of_the_migrations_can_be_audited(migrated_dirt: Migrated) -> None:
    assert len(migrated_dirt.violations) == len(schema.load())
    for violations in migrated_dirt.violations:
        assert list(violations) == [rule.name for rule in rules()]


REPAIRED = {
    "rating_unreadable",
    "rating_not_half_star",
    "feedback_duplicate",
    "ticket_oversold",
    "holder_event_missing",
    "holder_event_contradicts_ticket",
    "discount_code_tickets_unknown",
    "discount_code_tickets_other_event",
    "discount_code_tickets_claimed_twice",
    "discount_code_tickets_event_kind",
}


def test_nothing_is_left_of_what_the_migrations_repair(migrated_dirt: Migrated) -> None:
    before, after = migrated_dirt.violations[0], migrated_dirt.violations[-1]
    assert all(before[rule] for rule in REPAIRED)
    assert {rule: after[rule] for rule in REPAIRED} == dict.fromkeys(REPAIRED, 0)
    assert after["discount_code_value"] == before["discount_code_value"]


BROKEN_BEHIND_THE_TRIGGERS = [
    ("holder_without_admission", "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id, event_id) VALUES (5, 'a', 'b', 1, 1)", ["5"]),
    ("holder_event_missing", "INSERT INTO ticket_holders (id, firstname, lastname, ticket_id) VALUES (5, 'a', 'b', 1)", ["5"]),
    ("discount_code_uses", "INSERT INTO discount_codes (id, code, type, value, used_for, event_id, tickets_number, used_number) VALUES (7, 'C', 'percent', 5, 'ticket', 1, 5, 1)", ["7"]),
    ("access_code_uses", "INSERT INTO access_codes (id, tickets_number, used_number) VALUES (7, 5, 1)", ["7"]),
    ("discount_code_amount_above_price", "INSERT INTO discount_codes (id, code, type, value, used_for, event_id) VALUES (7, 'C', 'amount', 11, 'ticket', 1); UPDATE tickets SET discount_code_id = 7 WHERE id = 1", ["7:1"]),
    ("discount_code_duplicate", "INSERT INTO discount_codes (id, code, type, value, used_for, event_id, deleted_at) VALUES (7, 'C', 'amount', 1, 'ticket', 1, NULL), (8, 'c', 'amount', 1, 'ticket', 1, now())", []),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "statement", "keys"), BROKEN_BEHIND_THE_TRIGGERS)
def test_what_gets_past_the_triggers_of_a_migrated_database_is_found(
    migrated: str, rule: str, statement: str, keys: list[str]
) -> None:
    with psycopg.connect(migrated) as connection:
        connection.execute(LEGACY_EVENT)
        connection.commit()
        clean = {result.rule: result.violations for result in audit(connection)}
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement)
        connection.commit()
        found = {result.rule: result for result in audit(connection)}
    assert clean[rule] == 0
    assert (found[rule].violations, found[rule].sample) == (len(keys), keys)


def test_no_time_limit_of_the_role_ends_it(legacy: str) -> None:
    limits: set[Any] = set()
    with psycopg.connect(legacy, options="-c statement_timeout=10s") as connection:

        def look(*_: object) -> None:
            limits.add(connection.execute("SHOW statement_timeout").fetchone())

        audit(connection, progress=look)
        assert limits == {("0",)}
        assert connection.execute("SHOW statement_timeout").fetchone() == ("10s",)


def test_rows_that_a_constraint_would_refuse_today_are_listed(migrated_dirt: Migrated) -> None:
    connection = migrated_dirt.connection
    listed: dict[str, set[str]] = {}
    refused: dict[str, set[str]] = {}
    unlisted: dict[str, set[str]] = {}
    for rule in rules():
        listed.setdefault(rule.table, set()).update(
            row[0] for row in connection.execute(rule.query).fetchall()
        )
    constraints = connection.execute(
        "SELECT conrelid::regclass::text, conname, pg_get_expr(conbin, conrelid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace AND contype = 'c' AND NOT convalidated"
    ).fetchall()
    for table, name, expression in constraints:
        # as if they were new: the constraints let pass what is marked as of before
        new = f"SELECT (jsonb_populate_record(t, '{{\"is_legacy\": false}}')).* FROM {table} AS t"
        rows = connection.execute(f"SELECT id::text FROM ({new}) AS t WHERE NOT ({expression})").fetchall()
        refused[name] = {row[0] for row in rows}
        unlisted[name] = refused[name] - listed[table]
    assert len(unlisted) >= 8
    assert len([name for name, keys in refused.items() if keys]) >= 6
    assert {name: keys for name, keys in unlisted.items() if keys} == {}


def test_a_database_that_is_not_ours_is_refused(empty: str) -> None:
    with psycopg.connect(empty) as connection, pytest.raises(Refused, match="no Open Event database"):
        audit(connection)


def test_each_rule_is_one_sentence_about_a_legacy_table() -> None:
    assert len(rules()) == len({rule.name for rule in rules()})
    for rule in rules():
        assert rule.table in LOADING_ORDER, rule.name
        assert rule.sentence.endswith("."), rule.name
        code = [line for line in rule.query.splitlines() if not line.startswith("--")]
        assert ";" not in "".join(code), rule.name
