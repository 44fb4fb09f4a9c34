"""An existing Open Event database is taken over as it is, or refused with what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from click.testing import CliRunner

from oeventdb import schema
from oeventdb.cli import main
from oeventdb.demo.loading import LOADING_ORDER, load
from oeventdb.errors import Refused
from oeventdb.schema import NotAdoptable
from oeventdb.schema.lock import UpgradeLock
from tests.legacy import digest, foreign
from tests.legacy.generator import generate
from tests.roles import Roles
from tests.schema import open_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Databases

LEGACY = "0001.legacy-tables"


@pytest.fixture(scope="module", params=[False, True], ids=["fresh", "grown"])
def open_event_template(request: pytest.FixtureRequest, databases: Databases) -> str:
    def prepare(dsn: str) -> None:
        with psycopg.connect(dsn) as connection:
            open_event.create(connection, grown=request.param)
            load(connection, generate(5))
            open_event.add_foreign(connection)
            open_event.fill_sequences(connection)

    return databases.template("template0", prepare)


@pytest.fixture
def open_event_dsn(new_database: Callable[[str], str], open_event_template: str) -> str:
    """Return the DSN of a database of Open Event with dirty rows and foreign tables."""
    return new_database(open_event_template)


@pytest.fixture(scope="module")
def taken_over_template(databases: Databases, open_event_template: str) -> str:
    def prepare(dsn: str) -> None:
        adopt(dsn)
        assert schema.migrate(dsn) == [m.id for m in schema.load()[1:]]

    return databases.template(open_event_template, prepare)


@pytest.fixture
def taken_over(new_database: Callable[[str], str], taken_over_template: str) -> str:
    """Return the DSN of such a database that was adopted and migrated."""
    return new_database(taken_over_template)


@pytest.fixture(scope="module")
def fresh_template(databases: Databases) -> str:
    def prepare(dsn: str) -> None:
        with psycopg.connect(dsn) as connection:
            open_event.create(connection, grown=False)

    return databases.template("template0", prepare)


@pytest.fixture
def fresh(new_database: Callable[[str], str], fresh_template: str) -> str:
    """Return the DSN of a freshly installed Open Event without rows."""
    return new_database(fresh_template)


def adopt(dsn: str) -> schema.Adoption:
    with schema.connect(dsn) as connection:
        return schema.adopt(connection)


@pytest.fixture(scope="module")
def unchanged(databases: Databases, fresh_template: str) -> Iterator[psycopg.Connection]:
    """Return a connection to a freshly installed Open Event; what is done there is undone."""
    with schema.connect(databases.create(fresh_template)) as connection:
        yield connection


def differences(connection: psycopg.Connection, statement: str) -> list[str]:
    """Change a database, return why it is not adopted, and undo the change; nothing else may be written."""
    with connection.transaction(force_rollback=True):
        connection.execute(statement.encode())
        with pytest.raises(NotAdoptable) as refused:
            schema.adopt(connection)
        found = connection.execute("SELECT to_regnamespace('oeventdb_internal')").fetchone()
    assert found == (None,)
    assert all(difference in str(refused.value) for difference in refused.value.differences)
    return refused.value.differences


def test_it_is_marked_and_nothing_else_changes(open_event_dsn: str) -> None:
    with psycopg.connect(open_event_dsn) as connection:
        before = digest.rows(connection, (*LOADING_ORDER, *foreign.TABLES))
        shape = digest.shape(connection, (*LOADING_ORDER, *foreign.TABLES))
    adopted = adopt(open_event_dsn)
    assert adopted.migration == LEGACY
    assert set(adopted.tables) == set(LOADING_ORDER)
    assert adopted.other_tables == len(foreign.TABLES) + 1
    with psycopg.connect(open_event_dsn) as connection:
        assert digest.rows(connection, (*LOADING_ORDER, *foreign.TABLES)) == before
        assert digest.shape(connection, (*LOADING_ORDER, *foreign.TABLES)) == shape
        status = schema.status(connection)
    assert [(m.id, m.adopted) for m in status.migrations] == [(LEGACY, True)]


def test_it_is_migrated_as_released_and_back_again(open_event_dsn: str, taken_over: str) -> None:
    with psycopg.connect(open_event_dsn) as connection:
        before = digest.rows(connection, (*LOADING_ORDER, *foreign.TABLES))
    with psycopg.connect(taken_over) as connection:
        assert schema.check(connection) == []
        foreign_before = {table: before[table] for table in foreign.PLAIN}
        assert digest.rows(connection, foreign.PLAIN) == foreign_before
    schema.rollback(taken_over, to=LEGACY)
    with psycopg.connect(taken_over) as connection:
        assert digest.rows(connection, LOADING_ORDER) == {t: before[t] for t in LOADING_ORDER}
    plan = CliRunner().invoke(main, ["rollback", "--dry-run", "--dsn", taken_over]).stdout
    assert plan == f"{LEGACY}  is no longer marked as applied; the adopted tables stay as they are\n"
    assert schema.rollback(taken_over) == [LEGACY]
    with psycopg.connect(taken_over) as connection:
        assert digest.rows(connection, LOADING_ORDER) == {t: before[t] for t in LOADING_ORDER}


def test_the_legacy_applications_own_statements_still_work(taken_over: str) -> None:
    with psycopg.connect(taken_over) as connection:
        run = connection.execute
        run("INSERT INTO users (_email, _password) VALUES ('a@example.org', 'x')")
        run(
            "INSERT INTO events (name, starts_at, ends_at, timezone, state)"
            " VALUES ('E', now(), now() + interval '1 day', 'UTC', 'published')"
        )
        (event,) = run("SELECT max(id) FROM events").fetchone() or ()
        run(
            "INSERT INTO tickets (name, type, quantity, price, sales_starts_at, sales_ends_at, event_id)"
            " VALUES ('T', 'free', 2, 0, now() - interval '1 h', now() + interval '1 h', %s)",
            (event,),
        )
        (ticket,) = run("SELECT max(id) FROM tickets").fetchone() or ()
        (user,) = run("SELECT max(id) FROM users").fetchone() or ()
        run(
            "INSERT INTO orders (identifier, event_id, user_id, status) VALUES ('o', %s, %s, 'pending')",
            (event, user),
        )
        run(
            "INSERT INTO orders_tickets (order_id, ticket_id, quantity) SELECT max(id), %s, 2 FROM orders",
            (ticket,),
        )
        for _ in range(2):
            run(
                "INSERT INTO ticket_holders (firstname, lastname, ticket_id, order_id, event_id)"
                " SELECT 'A', 'B', %s, max(id), %s FROM orders",
                (ticket, event),
            )
        run(
            "INSERT INTO feedback (rating, comment, user_id, event_id) VALUES ('4.5', 'fine', %s, %s)",
            (user, event),
        )
        run(
            "INSERT INTO discount_codes (code, value, type, used_for, is_active, event_id)"
            " VALUES ('D', 10, 'percent', 'ticket', true, %s)",
            (event,),
        )
        run("UPDATE discount_codes SET value = 20 WHERE code = 'D' AND event_id = %s", (event,))
        run("UPDATE orders SET status = 'completed' WHERE identifier = 'o'")
        with pytest.raises(psycopg.Error) as refused:
            run(
                "INSERT INTO ticket_holders (firstname, lastname, ticket_id, event_id)"
                " VALUES ('A', 'B', %s, %s)",
                (ticket, event),
            )
        assert refused.value.sqlstate in ("OE101", "23503", "23505")


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        ("DROP TABLE association", "table association is missing"),
        ("ALTER TABLE orders DROP COLUMN brand", "column orders.brand is missing"),
        (
            "ALTER TABLE tickets ALTER COLUMN price TYPE numeric",
            "column tickets.price is numeric, not double precision",
        ),
        (
            "ALTER TABLE tickets ALTER COLUMN quantity TYPE bigint",
            "column tickets.quantity is bigint, not integer",
        ),
        ("ALTER TABLE tickets ALTER COLUMN name DROP NOT NULL", "column tickets.name may be NULL"),
        ("ALTER TABLE users ALTER COLUMN id DROP DEFAULT", "column users.id has no sequence"),
        (
            "ALTER TABLE tickets DROP CONSTRAINT name_event_uc",
            "table tickets has no UNIQUE (name, event_id)",
        ),
        (
            "ALTER TABLE feedback DROP CONSTRAINT feedback_user_id_fkey",
            "table feedback has no FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE",
        ),
        (
            "ALTER TABLE tickets ADD COLUMN deleted_at timestamptz",
            "column tickets.deleted_at has a name that a migration needs: rename it",
        ),
        (
            "CREATE INDEX ticket_holders_order ON ticket_holders (lastname)",
            "index ticket_holders_order has a name that a migration needs: rename it",
        ),
        (
            "CREATE TABLE discount_codes_event_code (id int)",
            "table discount_codes_event_code has a name that a migration needs: rename it",
        ),
        (
            "CREATE VIEW ticket_event AS SELECT 1 AS id",
            "view ticket_event has a name that a migration needs: rename it",
        ),
        (
            "CREATE TABLE survey (id int); CREATE INDEX feedback_user_event_all ON survey (id)",
            "index feedback_user_event_all has a name that a migration needs: rename it",
        ),
        (
            "ALTER TABLE tickets ADD CONSTRAINT tickets_quantity CHECK (quantity < 5000)",
            "constraint tickets.tickets_quantity has a name that a migration needs: rename it",
        ),
        (
            "ALTER TABLE orders ADD COLUMN own int NOT NULL",
            "column orders.own is NOT NULL without a default",
        ),
        ("ALTER TABLE feedback SET UNLOGGED", "table feedback is not logged: a crash would empty it"),
        (
            "CREATE TABLE holders_of_2015 () INHERITS (ticket_holders)",
            "table ticket_holders has child tables, whose rows would get past the rules",
        ),
        (
            "CREATE TABLE everything (id integer NOT NULL); ALTER TABLE orders INHERIT everything",
            "table orders is a child of another table",
        ),
        (
            "DROP TABLE association; CREATE TABLE association (ticket_id int, ticket_tag_id int) PARTITION BY LIST (ticket_id)",
            "table association is partitioned",
        ),
        (
            "CREATE TYPE tagging AS (ticket_id int, ticket_tag_id int); ALTER TABLE association OF tagging",
            "table association is of the type public.tagging and takes no other columns: ALTER TABLE public.association NOT OF",
        ),
        (
            "CREATE RULE keep AS ON DELETE TO ticket_holders DO INSTEAD NOTHING",
            "table ticket_holders has the rule keep, which rewrites the statements of functions: make it a trigger",
        ),
    ],
)
def test_what_differs_is_refused_by_name(
    unchanged: psycopg.Connection, statement: str, difference: str
) -> None:
    assert difference in differences(unchanged, statement)


def test_a_column_under_which_two_codes_may_be_one_is_refused(unchanged: psycopg.Connection) -> None:
    collation = "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    column = "ALTER TABLE discount_codes ALTER COLUMN code TYPE varchar COLLATE ci"
    try:
        found = differences(unchanged, f"{collation}; {column}")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server has no ICU")
    assert found == [
        "column discount_codes.code has a nondeterministic collation, under which codes and states are ambiguous"
    ]


def test_all_differences_are_listed_at_once(unchanged: psycopg.Connection) -> None:
    statement = "DROP TABLE association; ALTER TABLE orders DROP COLUMN brand, DROP COLUMN last4"
    assert len(differences(unchanged, statement)) == 3


def test_an_empty_database_is_refused(empty: str) -> None:
    with schema.connect(empty) as connection:
        assert len(differences(connection, "SELECT 1")) == len(LOADING_ORDER)


def test_tables_of_another_owner_are_refused(owned: str, roles: Roles) -> None:
    with psycopg.connect(owned) as connection:
        open_event.create(connection, grown=False)
    with psycopg.connect(roles.superuser(owned)) as connection:
        connection.execute("ALTER TABLE public.events OWNER TO CURRENT_USER")
        (user,) = connection.execute("SELECT CURRENT_USER").fetchone() or ()
    with schema.connect(owned) as connection:
        assert differences(connection, "SELECT 1") == [f"table events belongs to {user}"]


def test_it_is_adopted_once(fresh: str) -> None:
    adopt(fresh)
    with pytest.raises(Refused, match="adopted already"):
        adopt(fresh)


def test_a_migrated_database_is_not_adopted(migrated: str) -> None:
    with pytest.raises(Refused, match="migrated already"):
        adopt(migrated)


def test_a_schema_of_the_same_name_is_refused(fresh: str, owned: str) -> None:
    for dsn, attempt in ((fresh, adopt), (owned, schema.migrate)):
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE SCHEMA oeventdb")
        with pytest.raises(Refused, match="schema oeventdb is there already"):
            attempt(dsn)


def test_a_constraint_that_rows_may_break_is_refused(fresh: str) -> None:
    with psycopg.connect(fresh) as connection:
        connection.execute("ALTER TABLE tickets ADD CONSTRAINT cheap CHECK (price < 100) NOT VALID")
    with pytest.raises(Refused, match="constraint cheap of tickets is NOT VALID"):
        adopt(fresh)


def test_an_upgrader_at_work_is_not_disturbed(fresh: str) -> None:
    with UpgradeLock(fresh, patience=0), pytest.raises(Refused, match="an upgrader works"):
        adopt(fresh)


@pytest.mark.parametrize("open_event_template", [True], indirect=True)
def test_what_is_allowed_to_differ_is_explained(open_event_dsn: str) -> None:
    notes = " ".join(adopt(open_event_dsn).notes)
    assert "key columns are integer" in notes
    assert "events.show_map" in notes
