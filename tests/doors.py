"""Every door to a rule: the same case through raw SQL, the SQL function and the Python client.

A case names the refusal and how to provoke it. Each door lets it in its own way, and all of them
must meet the same exception::

    CASES = [
        Case(
            "a rating above five",
            RatingInvalid,
            "submit_feedback",
            lambda w: {"event_id": w.event, "user_id": w.user, "rating": "5.01", "comment": None},
            raw="INSERT INTO feedback (event_id, user_id, rating)"
            " VALUES (%(event_id)s, %(user_id)s, %(rating)s)",
        ),
    ]

    @every_door(CASES)
    def test_doors(case: Case, door: Door, shared_connection: psycopg.Connection) -> None:
        meet(case, door, shared_connection)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from oeventdb import AsyncClient, Client, Error, translated
from tests import samples

Door: TypeAlias = Callable[[psycopg.Connection[Any], "Case", dict[str, Any]], Any]


class World:
    """What the cases refer to; each thing is made when it is first asked for."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._made: dict[str, int] = {}

    def _make(self, name: str, make: Callable[[], int]) -> int:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    @property
    def nothing(self) -> int:
        """An id that nothing has."""
        return 2_000_000_000

    @property
    def user(self) -> int:
        """A user."""
        return self._make("user", lambda: samples.user(self._connection))

    @property
    def event(self) -> int:
        """A published event."""
        return self._make("event", lambda: samples.event(self._connection))

    @property
    def other_event(self) -> int:
        """Another event."""
        return self._make("other_event", lambda: samples.event(self._connection))

    @property
    def ticket(self) -> int:
        """A ticket of the event with ten admissions."""
        return self._make("ticket", lambda: samples.ticket(self._connection, self.event))

    @property
    def other_ticket(self) -> int:
        """A ticket of the other event."""
        return self._make("other_ticket", lambda: samples.ticket(self._connection, self.other_event))

    @property
    def sold_out(self) -> int:
        """A ticket of the event with one admission, which is held."""

        def make() -> int:
            ticket = samples.ticket(self._connection, self.event, quantity=1, max_order=1)
            samples.insert(
                self._connection, "ticket_holders", ticket_id=ticket, firstname="Ada", lastname="Lovelace"
            )
            return ticket

        return self._make("sold_out", make)

    @property
    def code(self) -> int:
        """A discount code of kind 'ticket' of the event."""
        return self._make("code", lambda: samples.discount_code(self._connection, self.event))

    @property
    def code_text(self) -> str:
        """What that discount code reads."""
        return self._text(self.code)

    @property
    def event_code_text(self) -> str:
        """What the discount code of kind 'event' reads."""
        return self._text(self.event_code)

    def _text(self, code: int) -> str:
        row = self._connection.execute("SELECT code FROM discount_codes WHERE id = %s", [code]).fetchone()
        assert row is not None
        return str(row[0])

    @property
    def large_code(self) -> int:
        """A discount code of the event that takes off more than a ticket costs."""
        return self._make(
            "large_code",
            lambda: samples.discount_code(self._connection, self.event, type="amount", value=1000),
        )

    @property
    def event_code(self) -> int:
        """A discount code of kind 'event' of the event."""
        return self._make(
            "event_code", lambda: samples.discount_code(self._connection, self.event, used_for="event")
        )

    @property
    def hidden(self) -> int:
        """A hidden ticket of the event."""
        return self._make("hidden", lambda: samples.ticket(self._connection, self.event, is_hidden=True))

    @property
    def free(self) -> int:
        """A free ticket of the event."""
        return self._make("free", lambda: samples.ticket(self._connection, self.event, type="free", price=0))

    def holder(self) -> int:
        """A new holder of the ticket."""
        return samples.insert(
            self._connection, "ticket_holders", ticket_id=self.ticket, firstname="Ada", lastname="Lovelace"
        )

    def access_code(self, text: str, **columns: Any) -> int:
        """A new access code for the hidden ticket."""
        return samples.access_code(self._connection, self.event, [self.hidden], code=text, **columns)

    def place(self, **order: Any) -> str:
        """Place an order of the event and return its identifier."""
        return str(Client(self._connection).place_order(event_id=self.event, **order).identifier)

    def order(self, status: str = "pending") -> str:
        """The identifier of a new order in this state, for one free or paid seat."""
        ticket = self.free if status == "completed" else self.ticket
        placed = Client(self._connection).place_order(
            event_id=self.event, lines=[{"ticket_id": ticket, "quantity": 1}], email="ada@example.org"
        )
        if status != placed.status:
            self._connection.execute("UPDATE orders SET status = %s WHERE id = %s", [status, placed.id])
        return placed.identifier

    def tweak(self, table: str, row: int, **columns: Any) -> int:
        """Change a row that was made, and return its id."""
        sets = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in columns
        )
        statement = sql.SQL("UPDATE public.{} SET {} WHERE id = {}").format(
            sql.Identifier(table), sets, sql.Placeholder("id")
        )
        self._connection.execute(statement, columns | {"id": row})
        return row


@dataclass(frozen=True)
class Case:
    """A refusal, and how to provoke it.

    ``arguments`` are those of the function; ``raw`` is the statement by which a writer that goes
    around the function would do the same, with the same parameters. Without ``raw`` there is no
    such statement, as with reading; without ``function`` there is no function that does it.
    """

    name: str
    error: type[Error]
    function: str | None
    arguments: Callable[[World], dict[str, Any]]
    raw: str | None = None


def raw_case(name: str, error: type[Error], raw: str, arguments: Callable[[World], dict[str, Any]]) -> Case:
    """A refusal that only a raw statement can provoke."""
    return Case(name, error, None, arguments, raw)


def raw_sql(connection: psycopg.Connection[Any], case: Case, arguments: dict[str, Any]) -> None:
    """A statement on the tables."""
    assert case.raw is not None
    with translated():
        psycopg.ClientCursor(connection).execute(case.raw.encode(), arguments)


def sql_function(connection: psycopg.Connection[Any], case: Case, arguments: dict[str, Any]) -> None:
    """The function, as psql or another language would call it."""
    named = ", ".join(f"{name} => %({name})s" for name in arguments)
    with translated():
        connection.execute(
            f"SELECT * FROM oeventdb.{case.function}({named})".encode(),
            {name: _parameter(value) for name, value in arguments.items()},
        )


def client(connection: psycopg.Connection[Any], case: Case, arguments: dict[str, Any]) -> None:
    """The Python client."""
    getattr(Client(connection), str(case.function))(**arguments)


def async_client(connection: psycopg.Connection[Any], case: Case, arguments: dict[str, Any]) -> None:
    """The asynchronous Python client, over a connection of its own."""

    async def call() -> None:
        dsn = f"{connection.info.dsn} password={connection.info.password or 'none'}"
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as other:
            await getattr(AsyncClient(other), str(case.function))(**arguments)

    asyncio.run(call())


DOORS: dict[str, Door] = {
    "raw SQL": raw_sql,
    "SQL function": sql_function,
    "client": client,
    "async client": async_client,
}


def every_door(cases: Sequence[Case]) -> pytest.MarkDecorator:
    """Parametrize a test with each case at each door that it has."""
    return pytest.mark.parametrize(
        ("case", "door"),
        [
            pytest.param(case, door, id=f"{case.name} - {name}")
            for case in cases
            for name, door in DOORS.items()
            if (case.raw if door is raw_sql else case.function)
        ],
    )


def meet(case: Case, door: Door, connection: psycopg.Connection[Any]) -> Error:
    """Go through the door and meet exactly the refusal of the case; return it."""
    world = World(connection)
    arguments = case.arguments(world)
    with pytest.raises(Error) as caught:
        door(connection, case, arguments)
    assert type(caught.value) is case.error
    assert caught.value.hint, "a refusal says what to do, or which rule it was"
    return caught.value


def _parameter(value: Any) -> Any:
    is_json = isinstance(value, Mapping) or (
        isinstance(value, list) and value and isinstance(value[0], Mapping)
    )
    return Jsonb(value) if is_json else value
