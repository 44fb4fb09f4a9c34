"""One object of each kind is tampered with, and named by the check."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest
from click.testing import CliRunner

from oeventdb import schema
from oeventdb.cli import main
from oeventdb.errors import Refused
from oeventdb.schema import Difference
from tests.roles import Roles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Databases

FUNCTION = "oeventdb.update_rating(text)"
AS_RELEASED = "RETURNS numeric LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
HALF_STARS = "feedback_rating_half_stars"


def tampered(dsn: str, *statements: str) -> list[Difference]:
    with psycopg.connect(dsn) as connection:
        for statement in statements:
            connection.execute(statement.encode())
    with schema.connect(dsn) as connection:
        return schema.check(connection)


def test_a_freshly_migrated_database_is_as_released(migrated: str) -> None:
    assert tampered(migrated) == []


def test_a_database_of_others_is_refused(empty: str) -> None:
    with pytest.raises(Refused, match="has no ledger"):
        tampered(empty)


@pytest.fixture(scope="module")
def as_released(databases: Databases, migrated_template: str) -> Iterator[psycopg.Connection]:
    """A connection to a migrated database, whose changes are to be undone."""
    with schema.connect(databases.create(migrated_template)) as connection:
        yield connection


@pytest.mark.parametrize(
    ("statement", "kind", "name", "state", "diff"),
    [
        (
            f"""CREATE OR REPLACE FUNCTION oeventdb.update_rating(rating text) {AS_RELEASED}
                AS 'BEGIN RETURN 5; END'""",
            "function",
            FUNCTION,
            "altered",
            "+BEGIN RETURN 5; END",
        ),
        (
            f"ALTER FUNCTION {FUNCTION} VOLATILE",
            "function",
            FUNCTION,
            "altered",
            "- volatility: immutable\n+ volatility: volatile",
        ),
        (
            f"ALTER FUNCTION {FUNCTION} SET search_path = public",
            "function",
            FUNCTION,
            "altered",
            "- settings: search_path=pg_catalog, pg_temp\n+ settings: search_path=public",
        ),
        (
            f"ALTER FUNCTION {FUNCTION} SECURITY INVOKER",
            "function",
            FUNCTION,
            "altered",
            "- security: definer\n+ security: invoker",
        ),
        (
            f"""DROP FUNCTION {FUNCTION};
                CREATE FUNCTION oeventdb.update_rating(stars text) {AS_RELEASED}
                AS 'BEGIN RETURN 5; END'""",
            "function",
            FUNCTION,
            "altered",
            "- arguments: rating text\n+ arguments: stars text",
        ),
        (f"DROP FUNCTION {FUNCTION}", "function", FUNCTION, "missing", "- returns: numeric"),
        (
            "CREATE FUNCTION oeventdb.own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "function",
            "oeventdb.own()",
            "surplus",
            "+ language: sql",
        ),
        (
            "ALTER TABLE public.ticket_holders DROP CONSTRAINT ticket_event",
            "constraint",
            "public.ticket_holders.ticket_event",
            "missing",
            "- definition: UNIQUE (ticket_id, event_id, admission_no)",
        ),
        (
            "ALTER TABLE public.feedback ADD CONSTRAINT own CHECK (id > 0)",
            "constraint",
            "public.feedback.own",
            "surplus",
            "+ definition: CHECK ((id > 0))",
        ),
        (
            f"""ALTER TABLE public.feedback DROP CONSTRAINT {HALF_STARS};
                ALTER TABLE public.feedback ADD CONSTRAINT {HALF_STARS} CHECK (rating < 9)""",
            "constraint",
            "public.feedback.feedback_rating_half_stars",
            "altered",
            "+ definition: CHECK ((rating < (9)::numeric))",
        ),
        (
            "UPDATE pg_constraint SET convalidated = false WHERE conname = 'tickets_discount_code'",
            "constraint",
            "public.tickets.tickets_discount_code",
            "altered",
            "- validated: yes\n+ validated: no",
        ),
        (
            "ALTER TABLE public.orders DISABLE TRIGGER ALL",
            "constraint",
            "public.orders.orders_user_id_fkey",
            "altered",
            "- enforced: yes\n+ enforced: no",
        ),
        (
            "ALTER TABLE public.feedback DISABLE TRIGGER feedback_rating",
            "trigger",
            "public.feedback.feedback_rating",
            "altered",
            "- enabled: yes\n+ enabled: no",
        ),
        (
            "DROP TRIGGER feedback_rating ON public.feedback",
            "trigger",
            "public.feedback.feedback_rating",
            "missing",
            "- definition: CREATE TRIGGER feedback_rating",
        ),
        (
            "DROP INDEX public.feedback_user_event",
            "index",
            "public.feedback_user_event",
            "missing",
            "- definition: CREATE UNIQUE INDEX",
        ),
        (
            "CREATE INDEX own ON public.feedback (comment)",
            "index",
            "public.own",
            "surplus",
            "+ definition: CREATE INDEX own",
        ),
        (
            "ALTER TABLE public.tickets ALTER COLUMN position TYPE bigint",
            "column",
            "public.tickets.position",
            "altered",
            "- type: integer\n+ type: bigint",
        ),
        (
            "ALTER TABLE public.feedback ALTER COLUMN id DROP IDENTITY",
            "column",
            "public.feedback.id",
            "altered",
            "- identity: by default",
        ),
        (
            "ALTER TABLE public.tickets ADD COLUMN own int",
            "column",
            "public.tickets.own",
            "surplus",
            "+ type: integer",
        ),
        (
            "ALTER TABLE public.tickets ENABLE ROW LEVEL SECURITY",
            "table",
            "public.tickets",
            "altered",
            "- row_security: disabled\n+ row_security: enabled",
        ),
        (
            "CREATE TABLE public.more_tickets () INHERITS (public.tickets)",
            "table",
            "public.tickets",
            "altered",
            "+ child_tables: public.more_tickets",
        ),
        (
            "CREATE TABLE public.parents (id bigint NOT NULL); ALTER TABLE public.tickets INHERIT public.parents",
            "table",
            "public.tickets",
            "altered",
            "+ parent_tables: public.parents",
        ),
        (
            "ALTER TABLE public.tickets ALTER id SET INCREMENT BY 7 SET MAXVALUE 100 SET CYCLE",
            "column",
            "public.tickets.id",
            "altered",
            "+ counts: by 7 from 1 to 100, and again",
        ),
        (
            "CREATE SEQUENCE oeventdb_internal.own",
            "sequence",
            "oeventdb_internal.own",
            "surplus",
            "+ owner: the owner of schema oeventdb",
        ),
        (
            "CREATE RULE own AS ON DELETE TO public.tickets DO INSTEAD NOTHING",
            "rule",
            "public.tickets.own",
            "surplus",
            "DO INSTEAD NOTHING",
        ),
        (
            "CREATE POLICY own ON public.tickets USING (id > 0)",
            "policy",
            "public.tickets.own",
            "surplus",
            "(id > 0)",
        ),
        (
            "ALTER TYPE oeventdb.feedback ADD ATTRIBUTE own int",
            "type",
            "oeventdb.feedback",
            "altered",
            "own integer",
        ),
        (
            f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO PUBLIC",
            "grant",
            f"EXECUTE on function {FUNCTION} to public",
            "surplus",
            "+ EXECUTE",
        ),
        (
            "GRANT USAGE ON SCHEMA oeventdb_internal TO PUBLIC",
            "grant",
            "USAGE on schema oeventdb_internal to public",
            "surplus",
            "+ USAGE",
        ),
        (
            "GRANT UPDATE ON oeventdb_internal.journal TO PUBLIC",
            "grant",
            "UPDATE on table oeventdb_internal.journal to public",
            "surplus",
            "+ UPDATE",
        ),
        (
            "DROP TABLE oeventdb_internal.progress",
            "table",
            "oeventdb_internal.progress",
            "missing",
            "- persistence: logged",
        ),
    ],
)
def test_what_was_tampered_with_is_named(
    as_released: psycopg.Connection, statement: str, kind: str, name: str, state: str, diff: str
) -> None:
    with as_released.transaction(force_rollback=True):
        as_released.execute(statement.encode())
        found = {(d.kind, d.object): d for d in schema.check(as_released)}
    assert (kind, name) in found, list(found)
    assert found[kind, name].state == state
    assert diff in found[kind, name].diff


def test_a_constraint_that_old_rows_may_break_is_validated_or_not(migrated: str) -> None:
    assert (
        tampered(migrated, "ALTER TABLE public.discount_codes VALIDATE CONSTRAINT discount_codes_value") == []
    )
    reference = "FOREIGN KEY (discount_code_id) REFERENCES public.discount_codes ON DELETE SET NULL"
    assert (
        tampered(
            migrated,
            "ALTER TABLE public.events DROP CONSTRAINT events_discount_code",
            f"ALTER TABLE public.events ADD CONSTRAINT events_discount_code {reference} NOT VALID",
        )
        == []
    )


def test_a_column_whose_not_null_old_rows_may_break_is_named(migrated: str) -> None:
    with psycopg.connect(migrated) as connection:
        if connection.info.server_version < 180000:
            pytest.skip("NOT NULL is a constraint since PostgreSQL 18")
    (found,) = tampered(
        migrated,
        "ALTER TABLE public.feedback ALTER COLUMN rating DROP NOT NULL",
        "ALTER TABLE public.feedback ADD CONSTRAINT own NOT NULL rating NOT VALID",
    )
    assert found.diff == "- nullable: not null\n+ nullable: not null, not valid"


def test_another_owner_is_named(migrated: str, roles: Roles) -> None:
    role = roles.create("stranger")
    (found,) = tampered(migrated, f"ALTER FUNCTION {FUNCTION} OWNER TO {role}")
    assert found.object == FUNCTION
    assert f"+ owner: {role}" in found.diff
    with psycopg.connect(migrated) as connection:
        connection.execute(f"ALTER FUNCTION {FUNCTION} OWNER TO CURRENT_USER".encode())


def test_needless_quotes_are_no_difference(migrated: str, roles: Roles) -> None:
    with schema.connect(migrated) as connection:
        schema.grant(connection, "app", roles.create("app"))
    quoting = "SET quote_all_identifiers = on"
    assert (
        tampered(migrated, f"{quoting}; ALTER FUNCTION {FUNCTION} SET search_path = pg_catalog, pg_temp")
        == []
    )
    with schema.connect(migrated) as connection:
        connection.execute(quoting)
        assert schema.check(connection) == []


def test_the_command_prints_the_difference_and_exits_3(migrated: str) -> None:
    tampered(migrated, f"ALTER FUNCTION {FUNCTION} VOLATILE")
    plain = CliRunner().invoke(main, ["check", "--dsn", migrated])
    assert plain.exit_code == 3
    assert plain.stdout.splitlines() == [
        f"altered function {FUNCTION}",
        "    - volatility: immutable",
        "    + volatility: volatile",
    ]
    as_json = CliRunner().invoke(main, ["check", "--json", "--dsn", migrated])
    assert json.loads(as_json.stdout) == [
        {
            "object": FUNCTION,
            "kind": "function",
            "state": "altered",
            "diff": "- volatility: immutable\n+ volatility: volatile",
        }
    ]


def test_the_command_says_that_pending_migrations_are_behind_the_differences(migrated: str) -> None:
    schema.rollback(migrated)
    result = CliRunner().invoke(main, ["check", "--dsn", migrated])
    assert result.exit_code == 3
    assert result.stderr.endswith(
        "differences; 1 pending: what they change is among them (oeventdb status)\n"
    )
    schema.migrate(migrated)
    tampered(migrated, f"ALTER FUNCTION {FUNCTION} VOLATILE")
    assert CliRunner().invoke(main, ["check", "--dsn", migrated]).stderr == "1 differences\n"


def test_the_command_is_content_with_a_fresh_database(migrated: str) -> None:
    result = CliRunner().invoke(main, ["check", "--json", "--dsn", migrated])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == []
