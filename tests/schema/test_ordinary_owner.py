"""Everything works as the ordinary owner of a database, and is refused to others in time."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from oeventdb import schema
from oeventdb.demo.loading import load
from oeventdb.errors import Refused
from oeventdb.schema import MigrationFailed
from tests.legacy.generator import Size, generate
from tests.roles import Roles


def test_an_ordinary_owner_does_everything(owned: str, roles: Roles) -> None:
    schema.migrate(owned, to="0001")
    with psycopg.connect(owned) as connection:
        load(connection, generate(2, Size(events=10, holders=50, feedback=50)))
    schema.migrate(owned)
    with schema.connect(owned) as connection:
        assert schema.check(connection) == []
        assert schema.status(connection).pending == []
        for kind in schema.KINDS:
            assert schema.grant(connection, kind, roles.create(kind)) != []
    schema.rollback(owned, to="0001")
    assert schema.migrate(owned)


def test_rows_that_a_policy_hides_from_the_owner_are_not_passed_over(owned: str) -> None:
    schema.migrate(owned, to="0001")
    with psycopg.connect(owned, autocommit=True) as connection:
        load(connection, generate(2, Size(events=10, holders=50, feedback=50)))
        connection.execute("ALTER TABLE feedback ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        assert connection.execute("TABLE feedback").fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            schema.audit(connection)
        with pytest.raises(MigrationFailed, match="row-level security") as refused:
            schema.migrate(owned)
        assert "NO FORCE ROW LEVEL SECURITY" in str(refused.value.hint)
        connection.execute("ALTER TABLE feedback NO FORCE ROW LEVEL SECURITY")
        assert schema.migrate(owned)


@pytest.mark.parametrize("attempt", [schema.migrate, schema.rollback])
def test_a_role_that_owns_nothing_is_refused(owned: str, roles: Roles, attempt: object) -> None:
    assert callable(attempt)
    stranger = roles.login(owned, roles.create("stranger"))
    with pytest.raises(Refused, match="may not create schemas"):
        attempt(stranger)
    schema.migrate(owned, to="0002")
    with pytest.raises(Refused, match="the schema belongs to") as refused:
        attempt(stranger)
    assert refused.value.hint is not None
    assert refused.value.hint.startswith("connect as ")


@pytest.mark.parametrize("is_superuser", [True, False])
def test_who_goes_on_for_the_owner_does_so_as_the_owner(owned: str, roles: Roles, is_superuser: bool) -> None:
    """Or what there is would belong to two roles, of which the one can neither grant nor undo what the other made."""
    owner = str(conninfo_to_dict(owned)["user"])
    other = roles.superuser(owned) if is_superuser else roles.login(owned, roles.create("deputy"))
    if not is_superuser:
        with psycopg.connect(roles.superuser(owned)) as connection:
            connection.execute(f"GRANT {owner} TO {conninfo_to_dict(other)['user']}".encode())
    schema.migrate(owned, to="0002")
    schema.migrate(other)
    with psycopg.connect(owned) as connection:
        owners = connection.execute(
            "SELECT DISTINCT p.proowner::regrole::text FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace"
            " WHERE n.nspname LIKE 'oeventdb%'"
            " UNION SELECT DISTINCT c.relowner::regrole::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE n.nspname IN ('oeventdb', 'oeventdb_internal', 'public')"
        ).fetchall()
    assert owners == [(owner,)]
    schema.rollback(other, to="0001")
    assert schema.migrate(owned, to="0003")


@pytest.mark.parametrize("name", ["Upper", "of 'two' \\"])
def test_the_owner_s_name_may_need_quotes(roles: Roles, name: str) -> None:
    owned = roles.database(roles.create(name))
    schema.migrate(owned, to="0002")
    schema.migrate(owned, to="0003")
    schema.migrate(roles.superuser(owned))
    with schema.connect(owned) as connection:
        assert schema.check(connection) == []
    assert schema.rollback(owned, to="0001")


@pytest.mark.parametrize("attempt", [schema.migrate, schema.rollback])
def test_a_session_whose_changes_no_trigger_sees_is_refused(
    owned: str, roles: Roles, attempt: object
) -> None:
    assert callable(attempt)
    blind = make_conninfo(roles.superuser(owned), options="-c session_replication_role=replica")
    schema.migrate(owned, to="0002")
    with pytest.raises(Refused, match="session_replication_role is replica"):
        attempt(blind)


@pytest.mark.parametrize("name", ["oeventdb", "oeventdb_internal"])
def test_a_schema_that_somebody_else_has_made_is_not_built_in(owned: str, roles: Roles, name: str) -> None:
    with psycopg.connect(owned) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    with pytest.raises(Refused, match=f"schema {name} is there already"):
        schema.migrate(roles.superuser(owned))


def test_a_read_only_role_is_refused(owned: str) -> None:
    dsn = make_conninfo(owned, options="-c default_transaction_read_only=on")
    with pytest.raises(Refused, match="read-only"):
        schema.migrate(dsn)
    with psycopg.connect(owned) as connection:
        found = connection.execute("SELECT to_regnamespace('oeventdb_internal')").fetchone()
    assert found == (None,)


def test_the_ledger_is_not_for_everybody(owned: str, roles: Roles) -> None:
    schema.migrate(owned, to="0002")
    stranger = roles.login(owned, roles.create("stranger"))
    with schema.connect(stranger) as connection:
        for look in (schema.status, schema.check):
            with pytest.raises(Refused, match="may not read the ledger"):
                look(connection)
            connection.rollback()
