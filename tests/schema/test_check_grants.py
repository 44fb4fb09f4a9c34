"""Privileges that roles, the owner of our functions among them, lack or have too many of are named by the check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import schema
from tests.roles import Roles
from tests.schema.test_check import FUNCTION, tampered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oeventdb.servers.postgres import Postgres


@pytest.fixture(scope="module")
def owned_by_role(postgres: Postgres) -> Iterator[tuple[str, psycopg.Connection]]:
    """Return an ordinary role, and the superuser's connection to a database that it owns and has migrated; what is done there is undone."""
    roles = Roles(postgres.dsn)
    owner = roles.create("owner")
    dsn = roles.database(owner)
    schema.migrate(dsn)
    with schema.connect(roles.superuser(dsn)) as connection:
        yield owner, connection
    roles.close()


def test_a_recorded_grant_that_was_revoked_is_missing(migrated: str, roles: Roles) -> None:
    role = roles.create("app")
    with schema.connect(migrated) as connection:
        schema.grant(connection, "app", role)
    assert tampered(migrated) == []
    (found,) = tampered(migrated, f"REVOKE EXECUTE ON FUNCTION {FUNCTION} FROM {role}")
    assert (found.kind, found.state) == ("grant", "missing")
    assert found.object == f"EXECUTE on function {FUNCTION} to {role}"


def test_a_table_that_is_gone_is_listed_where_a_reader_is_recorded(migrated: str, roles: Roles) -> None:
    role = roles.create("reader")
    with schema.connect(migrated) as connection:
        schema.grant(connection, "reader", role)
    found = tampered(
        migrated, "DROP SCHEMA oeventdb CASCADE", "ALTER TABLE public.ticket_tag RENAME TO ticket_tagz"
    )
    assert ("schema", "oeventdb") in {(d.kind, d.object) for d in found}
    assert ("table", "public.ticket_tag", "missing") in {(d.kind, d.object, d.state) for d in found}
    assert f"SELECT on table public.ticket_tag to {role}" in {d.object for d in found}


@pytest.mark.parametrize(
    ("statement", "lacking"),
    [
        ("REVOKE DELETE ON public.tickets FROM {owner}", ["DELETE on table public.tickets"]),
        (
            "ALTER TABLE public.tickets OWNER TO {other}",
            [
                f"{privilege} on table public.tickets"
                for privilege in ("DELETE", "INSERT", "SELECT", "UPDATE")
            ],
        ),
        (
            "REVOKE INSERT ON oeventdb_internal.journal FROM {owner}",
            ["INSERT on table oeventdb_internal.journal"],
        ),
        (
            "REVOKE EXECUTE ON FUNCTION oeventdb_internal.order_is_live(text) FROM {owner}",
            ["EXECUTE on function oeventdb_internal.order_is_live(text)"],
        ),
        ("REVOKE ALL ON SCHEMA oeventdb_internal FROM {owner}", ["USAGE on schema oeventdb_internal"]),
        (
            (
                "CREATE SEQUENCE public.own; ALTER SEQUENCE public.own OWNER TO {owner};"
                " ALTER SEQUENCE public.own OWNED BY public.tickets.position; REVOKE ALL ON SEQUENCE public.own FROM {owner}"
            ),
            ["USAGE on sequence of public.tickets"],
        ),
        ("ALTER TABLE public.tickets OWNER TO {other}; GRANT ALL ON public.tickets TO {owner}", []),
        ("ALTER TABLE public.tickets OWNER TO {other}; GRANT {other} TO {owner}", []),
    ],
)
def test_what_the_owner_of_the_functions_lacks_is_missing(
    owned_by_role: tuple[str, psycopg.Connection], statement: str, lacking: list[str]
) -> None:
    owner, connection = owned_by_role
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE ROLE other")
        connection.execute(statement.format(owner=f'"{owner}"', other="other").encode())
        found = schema.check(connection)
    assert {(d.kind, d.state) for d in found} <= {("grant", "missing")}
    assert [d.object for d in found] == [f"{name} to {owner}" for name in lacking]


@pytest.mark.parametrize(
    ("kind", "statement", "surplus"),
    [
        ("app", "GRANT SELECT, INSERT ON public.orders TO {}", ["INSERT on table", "SELECT on table"]),
        ("app", "GRANT TRIGGER ON public.orders TO PUBLIC", ["TRIGGER on table"]),
        ("reader", "GRANT UPDATE ON public.orders TO {}", ["UPDATE on table"]),
        ("reader", "GRANT SELECT (stripe_token) ON public.orders TO {}", ["SELECT on column"]),
        (
            "app",
            f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO {{}} WITH GRANT OPTION",
            ["EXECUTE WITH GRANT OPTION on function"],
        ),
    ],
)
def test_what_a_recorded_role_has_beyond_its_grant_is_surplus(
    migrated: str, roles: Roles, kind: str, statement: str, surplus: list[str]
) -> None:
    role, legacy = roles.create(kind), roles.create("legacy")
    with schema.connect(migrated) as connection:
        schema.grant(connection, kind, role)
    assert tampered(migrated, f"GRANT ALL ON public.orders TO {legacy}") == []
    found = tampered(migrated, statement.format(role))
    assert [(d.kind, d.state) for d in found] == [("grant", "surplus")] * len(surplus)
    for difference, beginning in zip(found, surplus, strict=True):
        assert difference.object.startswith(beginning)
        assert difference.object.endswith(f" to {role}")


def test_a_role_with_the_name_public_is_not_everybody(migrated: str) -> None:
    with schema.connect(migrated) as connection:
        connection.execute('CREATE ROLE "PUBLIC"')
        schema.grant(connection, "app", "PUBLIC")
        connection.execute(f"GRANT EXECUTE ON FUNCTION {FUNCTION} TO PUBLIC".encode())
        (found,) = schema.check(connection)
        connection.rollback()
    assert found.object == f"EXECUTE on function {FUNCTION} to public"


def test_a_rollback_leaves_nothing_of_a_grant(migrated: str, roles: Roles) -> None:
    role = roles.create("search")
    with schema.connect(migrated) as connection:
        schema.grant(connection, "search", role)
    schema.rollback(migrated, to="0001")
    schema.migrate(migrated)
    assert tampered(migrated) == []


def test_a_grant_on_a_column_that_a_rollback_has_dropped_is_none(migrated: str, roles: Roles) -> None:
    role = roles.create("reader")
    for _ in range(2):
        schema.migrate(migrated)
        with schema.connect(migrated) as connection:
            schema.grant(connection, "reader", role)
        assert tampered(migrated) == []
        schema.rollback(migrated, to="0008")
