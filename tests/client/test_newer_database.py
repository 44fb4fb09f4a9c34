"""A client of today against the database of a later release of the same major version.

Such a release may add functions, arguments with a default, columns anywhere in a result, and refusals.
Here every function has all of that, and every call of the client goes on as if nothing had happened.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

import oeventdb
from oeventdb import Client
from tests.client.test_methods import CALLS, Call, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Databases

FUNCTIONS = """
SELECT p.proname, p.oid::pg_catalog.regprocedure::text, pg_catalog.pg_get_function_arguments(p.oid),
       pg_catalog.pg_get_function_result(p.oid), p.pronargs,
       COALESCE(
           (SELECT array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
            FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0),
           (SELECT array_agg(n || ' ' || format_type(o, NULL) ORDER BY i)
            FROM unnest(p.proargnames, p.proargmodes, p.proallargtypes) WITH ORDINALITY AS u (n, m, o, i)
            WHERE m = 't')
       )
FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_type AS t ON t.oid = p.prorettype
WHERE p.pronamespace = 'oeventdb'::regnamespace AND p.prokind = 'f'
"""


def _renew(db: psycopg.Connection, function: tuple[str, str, str, str, int, list[str] | None]) -> None:
    """Put a function with one more argument and one more column, the first, over an older one."""
    name, signature, arguments, result, count, columns = function
    passed = ", ".join(f"${number}" for number in range(1, count + 1))
    call = f"older.{name}({passed})"
    if columns is None:
        body = f"SELECT {call}"
    else:
        db.execute(
            f"CREATE TYPE oeventdb.newer_{name} AS (novelty text, {', '.join(reversed(columns))})".encode()
        )
        named = ", ".join(f'r."{column.split()[0]}"' for column in reversed(columns))
        body = f"SELECT 'new'::text, {named} FROM {call} AS r"
        result = f"SETOF oeventdb.newer_{name}"
    db.execute(f"ALTER FUNCTION {signature} SET SCHEMA older".encode())
    novelty = ", ".join(part for part in (arguments, "novelty text DEFAULT 'new'") if part)
    create = f"CREATE FUNCTION oeventdb.{name}({novelty}) RETURNS {result} LANGUAGE sql AS "
    db.execute(sql.SQL("{}{}").format(sql.SQL(create), sql.Literal(body)))


def _keep_to_themselves(db: psycopg.Connection) -> None:
    """Let the older functions that call others go on calling the older ones."""
    older = "SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'older'::regnamespace"
    definitions: dict[str, str] = dict(db.execute(older).fetchall())
    called = re.compile(rf"\boeventdb\.({'|'.join(definitions)})\(")
    for definition in definitions.values():
        db.execute(called.sub(r"older.\1(", definition).encode())


@pytest.fixture(scope="module")
def newer(databases: Databases, migrated_template: str) -> str:
    """A database in which every function is one of a later release."""
    dsn = databases.create(migrated_template)
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE SCHEMA older")
        for function in connection.execute(FUNCTIONS).fetchall():
            _renew(connection, function)
        _keep_to_themselves(connection)
        connection.execute(
            "CREATE FUNCTION oeventdb.of_tomorrow(a text) RETURNS text LANGUAGE sql AS 'SELECT a'"
        )
    return dsn


@pytest.fixture
def tomorrow(newer: str) -> Iterator[psycopg.Connection]:
    """A connection to it in a transaction that is undone after the test."""
    with psycopg.connect(newer) as connection:
        yield connection
        connection.rollback()


def test_every_function_is_newer(tomorrow: psycopg.Connection) -> None:
    older = tomorrow.execute("SELECT count(*) FROM pg_proc WHERE pronamespace = 'older'::regnamespace")
    assert older.fetchone() == (len({call.method for call in CALLS}),)


@pytest.mark.parametrize("call", CALLS, ids=[f"{n}-{call.method}" for n, call in enumerate(CALLS)])
def test_a_call_goes_on_as_before(call: Call, tomorrow: psycopg.Connection) -> None:
    place = Place(tomorrow)
    result = getattr(Client(tomorrow), call.method)(**call.arguments(place))
    assert call.expected(place, result), result


def test_a_refusal_goes_on_as_before(tomorrow: psycopg.Connection) -> None:
    with pytest.raises(oeventdb.NotFound) as caught:
        Client(tomorrow).event_rating(event_id=-1)
    assert caught.value.detail == {"resource": "event", "id": -1}


def test_a_refusal_of_tomorrow_is_a_refusal_with_its_own_code(tomorrow: psycopg.Connection) -> None:
    tomorrow.execute(
        """
        CREATE OR REPLACE FUNCTION oeventdb.expire_orders(batch integer DEFAULT 1, novelty text DEFAULT 'new')
        RETURNS integer LANGUAGE plpgsql AS $$ BEGIN
            PERFORM oeventdb_internal.fail('OE999', 'not on a Sunday', '{"day": 7}'::jsonb, 'Wait.');
        END $$
        """
    )
    with pytest.raises(oeventdb.Error, match="not on a Sunday") as caught:
        Client(tomorrow).expire_orders()
    assert type(caught.value) is oeventdb.Error
    assert (caught.value.sqlstate, caught.value.detail, caught.value.hint) == ("OE999", {"day": 7}, "Wait.")
