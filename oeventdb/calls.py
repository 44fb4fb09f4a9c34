"""How the client calls a function of schema oeventdb: by name, with casts, and only what was given.

The modules ``functions``, ``rows``, ``client`` and ``async_client`` are generated over this one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Generic, NoReturn, TypeAlias, TypeVar

import psycopg
from psycopg.types.json import Jsonb

from oeventdb.errors import InvalidArgument, translate

R = TypeVar("R")

Json: TypeAlias = Mapping[str, Any] | Sequence[Any]
"""What may be given for a jsonb argument; a Decimal inside is sent as a number."""

CALL_ERRORS: Final = (psycopg.Error, UnicodeEncodeError)
"""What a call can raise: psycopg's errors, and text that is no Unicode."""


class _Default:
    """The type of DEFAULT; ``help()`` shows it by this name."""

    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT: Final[Any] = _Default()
"""Leaves an argument to the default that the database declares for it."""


class Function(Generic[R]):
    """A function of the API, the statements that call it, and how its rows are made.

    An argument left at DEFAULT is not named in the statement, so that the default
    is always the one of the database that is called. The columns are named, so that
    columns which a newer database adds do no harm.
    """

    __slots__ = ("_call", "_statements", "casts", "row_factory")

    def __init__(self, name: str, returns: type[R], /, **casts: str) -> None:
        if dataclasses.is_dataclass(returns):
            columns = ", ".join(f'"{field.name}"' for field in dataclasses.fields(returns))
            self._call = f"SELECT {columns} FROM oeventdb.{name}"  # noqa: S608 - names of the catalog
            make = _row_maker(returns)
        else:
            self._call = f"SELECT oeventdb.{name}"
            make = _first
        self.casts = casts
        self._statements: dict[tuple[str, ...], bytes] = {}
        self.row_factory: Callable[[Any], Callable[[Sequence[Any]], R]] = lambda _: make

    def statement(self, arguments: dict[str, Any]) -> bytes:
        """The statement that gives these arguments."""
        names = tuple(arguments)
        statement = self._statements.get(names)
        if statement is None:
            given = ", ".join(f"{name} => %({name})s::{self.casts[name]}" for name in names)
            statement = f"{self._call}({given})".encode()
            self._statements[names] = statement
        return statement


def given(**arguments: Any) -> dict[str, Any]:
    """The arguments without those left at DEFAULT."""
    return {name: value for name, value in arguments.items() if value is not DEFAULT}


def jsonb(value: Any) -> Any:
    """A jsonb parameter; None and DEFAULT stay what they are."""
    return value if value is None or value is DEFAULT else Jsonb(value, dumps=_dumps)


def array(value: Any) -> Any:
    """An array parameter of any sequence; None and DEFAULT stay what they are."""
    return value if value is None or value is DEFAULT else list(value)


def refuse(exc: Exception) -> NoReturn:
    """Raise the domain error for what went wrong in a call, or the error itself if it is none.

    Values that PostgreSQL cannot take for the argument's type at all (a number beyond
    bigint, text with a NUL character) are invalid arguments like those a function refuses.
    """
    error = translate(exc)
    if error is exc:
        if not isinstance(exc, (psycopg.DataError, UnicodeEncodeError)):
            raise exc
        primary = exc.diag.message_primary if isinstance(exc, psycopg.DataError) else None
        reason = primary or str(exc)
        error = InvalidArgument(reason, detail={"reason": reason})
    raise error from exc


def _row_maker(row: type[R]) -> Callable[[Sequence[Any]], R]:
    """Make rows of a frozen dataclass without its constructor.

    That one sets every field through object.__setattr__, which costs more than reading the
    row does. A mutable twin of the same slots is filled instead, and then becomes the row.
    """
    names = [field.name for field in dataclasses.fields(row)]  # type: ignore[arg-type]
    twin: Any = dataclasses.make_dataclass(row.__name__, names, slots=True)

    def make(values: Sequence[Any]) -> R:
        made = twin(*values)
        made.__class__ = row
        return made  # type: ignore[no-any-return]

    return make


def _first(values: Sequence[Any]) -> Any:
    return values[0]


def _dumps(value: Any) -> str:
    return json.dumps(value, default=_number)


def _number(value: Any) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")
