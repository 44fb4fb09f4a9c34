"""A role gets the least it needs, once, and nothing else is open to it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql

from oeventdb import schema
from oeventdb.cli import main
from oeventdb.errors import Refused
from oeventdb.schema import manifest
from oeventdb.schema.grants import CREDENTIALS, KINDS
from tests.roles import Roles

LAST_BUT = 3
"""How many migrations are left for later where grants have to follow them."""


def grant(dsn: str, kind: str, role: str) -> list[str]:
    with schema.connect(dsn) as connection:
        return schema.grant(connection, kind, role)


@pytest.fixture
def app(migrated: str, roles: Roles) -> Iterator[psycopg.Connection]:
    """Return a connection of a role with the privileges of an application."""
    role = roles.create("app")
    grant(migrated, "app", role)
    with psycopg.connect(roles.login(migrated, role), autocommit=True) as connection:
        yield connection


def refused(connection: psycopg.Connection, statement: str) -> str:
    with pytest.raises(psycopg.Error) as error:
        connection.execute(statement.encode())
    return str(error.value.sqlstate)


def test_an_application_calls_every_function_of_the_api(app: psycopg.Connection) -> None:
    callable_ = app.execute(
        "SELECT p.proname, has_function_privilege(p.oid, 'EXECUTE') FROM pg_proc AS p"
        " WHERE p.pronamespace = 'oeventdb'::regnamespace AND p.proname NOT LIKE 'search\\_%'"
    ).fetchall()
    assert ("update_rating", True) in callable_
    assert [name for name, allowed in callable_ if not allowed] == []
    assert app.execute("SELECT oeventdb.update_rating('4.4')").fetchone() is not None
    with pytest.raises(psycopg.Error) as error:
        app.execute("SELECT * FROM oeventdb.event_tickets(event_id => 1)")
    assert error.value.sqlstate == "OE404"


def test_an_application_sees_no_table(app: psycopg.Connection) -> None:
    for table in manifest.load().tables:
        for statement in (
            f"SELECT FROM public.{table}",
            f"DELETE FROM public.{table}",
            f"TRUNCATE public.{table}",
            f"ALTER TABLE public.{table} ADD own int",
        ):
            assert refused(app, statement) == "42501", statement


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM oeventdb_internal.journal",
        "SELECT * FROM oeventdb_internal.ledger",
        "SELECT oeventdb_internal.fail('OE404', 'x', '{}', 'y')",
        "UPDATE oeventdb_internal.ledger SET hash = ''",
        "CREATE FUNCTION oeventdb.own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE oeventdb.own (id int)",
        "CREATE TABLE public.own (id int)",
        "CREATE SCHEMA own",
        "DROP FUNCTION oeventdb.update_rating(text)",
        "ALTER FUNCTION oeventdb.update_rating(text) SET search_path = pg_temp",
        "CREATE TRIGGER own AFTER INSERT ON public.tickets EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "GRANT EXECUTE ON FUNCTION oeventdb.update_rating(text) TO PUBLIC",
        "COPY public.users TO STDOUT",
        "CREATE ROLE own",
    ],
)
def test_everything_else_is_refused_to_an_application(app: psycopg.Connection, statement: str) -> None:
    if statement.startswith("GRANT"):
        app.execute(statement.encode())
        found = app.execute(
            "SELECT has_function_privilege('public', 'oeventdb.update_rating(text)', 'EXECUTE')"
        ).fetchone()
        assert found == (False,)
    else:
        assert refused(app, statement) == "42501"


def test_an_application_does_not_become_another_role(app: psycopg.Connection) -> None:
    owner = app.execute(
        "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'oeventdb'"
    ).fetchone()
    assert owner is not None
    assert refused(app, f"SET ROLE {owner[0]}") == "42501"
    assert refused(app, f"SET SESSION AUTHORIZATION {owner[0]}") == "42501"


def test_names_of_its_own_do_not_get_into_the_functions(app: psycopg.Connection) -> None:
    """Temporary tables, functions and operators named as those that the functions use."""
    app.execute("CREATE TEMPORARY TABLE events AS SELECT 1 AS id, NULL::timestamptz AS deleted_at")
    app.execute("CREATE TEMPORARY TABLE feedback (event_id int, rating numeric)")
    app.execute(
        "CREATE FUNCTION pg_temp.avg(numeric) RETURNS numeric LANGUAGE plpgsql"
        " AS 'BEGIN RAISE EXCEPTION ''taken over as %'', current_user; END'"
    )
    app.execute("SET search_path = pg_temp, public, pg_catalog")
    with pytest.raises(psycopg.Error) as error:
        app.execute("SELECT * FROM oeventdb.event_rating(event_id => 1)")
    assert error.value.sqlstate == "OE404"


def test_types_of_its_own_do_not_get_into_the_functions(app: psycopg.Connection) -> None:
    """A temporary domain named as a type: its CHECK would run as the owner of the function that uses it."""
    app.execute(
        "CREATE FUNCTION pg_temp.taken_over() RETURNS boolean LANGUAGE plpgsql"
        " AS 'BEGIN RAISE EXCEPTION ''taken over as %'', current_user; END'"
    )
    app.execute("GRANT EXECUTE ON FUNCTION pg_temp.taken_over() TO PUBLIC")
    for name in ("bytea", "date", "jsonb", "text", "timestamptz", "uuid"):
        app.execute(f"CREATE DOMAIN pg_temp.{name} AS pg_catalog.{name} CHECK (pg_temp.taken_over())")
    assert app.execute("SELECT oeventdb.update_rating(rating => '3.3')").fetchone() == (Decimal("3.5"),)
    assert refused(app, "SELECT * FROM oeventdb.event_rating(event_id => 1)") == "OE404"


@pytest.fixture
def reader(migrated: str, roles: Roles) -> Iterator[psycopg.Connection]:
    """Return a connection of a role with the privileges of a reader."""
    role = roles.create("reader")
    grant(migrated, "reader", role)
    with psycopg.connect(roles.login(migrated, role), autocommit=True) as connection:
        yield connection


def test_a_reader_reads_every_table_and_writes_none(reader: psycopg.Connection) -> None:
    for table in manifest.load().tables:
        reader.execute(f"SELECT count(*) FROM public.{table}".encode())
        if table not in CREDENTIALS:
            reader.execute(f"SELECT * FROM public.{table}".encode())
        assert refused(reader, f"DELETE FROM public.{table}") == "42501"


def test_a_reader_sees_no_credentials(reader: psycopg.Connection) -> None:
    for table, columns in CREDENTIALS.items():
        for column in columns:
            assert refused(reader, f"SELECT {column} FROM public.{table}") == "42501"
    reader.execute("SELECT id, _email FROM public.users")
    reader.execute("SELECT identifier, amount, status FROM public.orders")


def test_a_reader_calls_nothing_and_sees_nothing_internal(reader: psycopg.Connection) -> None:
    assert refused(reader, "SELECT oeventdb.update_rating('4')") == "42501"
    assert refused(reader, "SELECT * FROM oeventdb_internal.journal") == "42501"


def test_a_search_role_exports_and_does_nothing_else(migrated: str, roles: Roles) -> None:
    role = roles.create("search")
    grant(migrated, "search", role)
    with psycopg.connect(roles.login(migrated, role), autocommit=True) as connection:
        connection.execute("SELECT * FROM oeventdb.search_documents()")
        assert refused(connection, "SELECT * FROM public.events") == "42501"
        assert refused(connection, "SELECT oeventdb.update_rating('4')") == "42501"


@pytest.mark.parametrize("kind", KINDS)
def test_granting_again_does_nothing(migrated: str, roles: Roles, kind: str) -> None:
    role = roles.create(kind)
    assert grant(migrated, kind, role) != []
    assert grant(migrated, kind, role) == []


def test_a_role_keeps_what_it_was_given_where_public_had_it_too(migrated: str, roles: Roles) -> None:
    # as pg_restore --no-privileges leaves it, until somebody does what `check` says
    everybody = "ALL ROUTINES IN SCHEMA oeventdb, oeventdb_internal {} PUBLIC"
    given = {kind: roles.create(kind) for kind in KINDS}
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute(f"GRANT EXECUTE ON {everybody.format('TO')}".encode())
        for kind, role in given.items():
            grant(migrated, kind, role)
        connection.execute(f"REVOKE ALL ON {everybody.format('FROM')}".encode())
    with schema.connect(migrated) as connection:
        assert schema.check(connection) == []


def test_an_odd_name_is_only_a_name(migrated: str, roles: Roles) -> None:
    role = roles.create('O"Neil; DROP TABLE users --')
    quoted = role.replace('"', '""')
    assert grant(migrated, "app", role)[0].endswith(f'TO "{quoted}"')


def test_grants_follow_the_migrations(owned: str, roles: Roles) -> None:
    migrations = [m.id for m in schema.load()]
    role = roles.create("app")
    schema.migrate(owned, to=migrations[-1 - LAST_BUT])
    grant(owned, "app", role)
    schema.migrate(owned)
    with schema.connect(owned) as connection:
        assert schema.check(connection) == []
        assert schema.grant(connection, "app", role) == []


def test_a_role_that_is_gone_is_forgotten(migrated: str, roles: Roles) -> None:
    role = roles.create("app")
    grant(migrated, "app", role)
    schema.rollback(migrated)
    with psycopg.connect(migrated) as connection:
        connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
        connection.execute(
            sql.SQL("ALTER ROLE {} RENAME TO {}").format(sql.Identifier(role), sql.Identifier(f"{role}_gone"))
        )
    schema.migrate(migrated)
    with psycopg.connect(migrated) as connection:
        connection.execute(
            sql.SQL("ALTER ROLE {} RENAME TO {}").format(sql.Identifier(f"{role}_gone"), sql.Identifier(role))
        )
        assert connection.execute("SELECT * FROM oeventdb_internal.grants").fetchall() == []


@pytest.mark.parametrize(
    ("kind", "role", "reason"),
    [
        ("app", "nobody_of_that_name", "there is no role"),
        ("app", "public", "there is no role"),
        ("app", "", "there is no role"),
        ("owner", "postgres", "there is no kind"),
    ],
)
def test_unknown_roles_and_kinds_are_refused(migrated: str, kind: str, role: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        grant(migrated, kind, role)


def test_the_owner_is_refused(owned: str) -> None:
    schema.migrate(owned)
    with schema.connect(owned) as connection:
        user = connection.info.user
    with pytest.raises(Refused, match="can do everything already"):
        grant(owned, "app", user)


def test_a_database_that_is_not_migrated_is_refused(empty: str, legacy: str) -> None:
    with pytest.raises(Refused, match="has no ledger"):
        grant(empty, "app", "postgres")
    with pytest.raises(Refused, match="not migrated yet"):
        grant(legacy, "app", "postgres")


def test_the_command_prints_what_it_gave(migrated: str, roles: Roles) -> None:
    role = roles.create("search")
    result = CliRunner().invoke(main, ["grant", "search", role, "--dsn", migrated])
    assert result.exit_code == 0
    assert f'GRANT USAGE ON SCHEMA "oeventdb" TO "{role}";' in result.stdout.splitlines()
    again = CliRunner().invoke(main, ["grant", "search", role, "--dsn", migrated])
    assert again.stdout == ""
    assert CliRunner().invoke(main, ["grant", "everything", role, "--dsn", migrated]).exit_code == 2


def test_default_privileges_of_the_owner_give_nothing_of_ours_away(owned: str, roles: Roles) -> None:
    web, search = roles.create("web"), roles.create("search")
    with psycopg.connect(owned, autocommit=True) as connection:
        for everything in (
            "ALL ON TABLES TO {}",
            "ALL ON SEQUENCES TO {}",
            "EXECUTE ON FUNCTIONS TO {}",
            "USAGE ON SCHEMAS TO {}",
            "SELECT ON TABLES TO PUBLIC",
        ):
            connection.execute(
                sql.SQL("ALTER DEFAULT PRIVILEGES GRANT " + everything).format(sql.Identifier(web))
            )
    applied = schema.migrate(owned, to="0001")
    with psycopg.connect(roles.login(owned, web), autocommit=True) as connection:
        assert refused(connection, "SELECT FROM oeventdb_internal.ledger") == "42501"
    applied += schema.migrate(owned, to="0004")
    grant(owned, "search", search)
    grant(owned, "app", web)
    applied += schema.migrate(owned)
    assert len(applied) == len(schema.load())
    with schema.connect(owned) as connection:
        found = schema.check(connection)
    assert {d.state for d in found} == {"surplus"}
    assert {d.object.split()[3].partition(".")[0] for d in found} == {"public"}
    with psycopg.connect(roles.login(owned, web), autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM public.events").fetchone() == (0,), "theirs as before"
        assert connection.execute("SELECT oeventdb.update_rating('4.4')").fetchone() == (Decimal("4.5"),)
        assert refused(connection, "SELECT FROM oeventdb_internal.journal") == "42501"
    with psycopg.connect(roles.login(owned, search), autocommit=True) as connection:
        assert refused(connection, "SELECT FROM oeventdb_internal.journal") == "42501"
        assert connection.execute("SELECT * FROM oeventdb_internal.search_count()").fetchone() == (0,)
