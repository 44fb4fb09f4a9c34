"""How the client calls a function of schema oeventdb: by name, with casts, and only what was given.

The modules ``functions``, ``rows``, ``client`` and ``async_client`` are generated over this one.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Generic, NoReturn, TypeAlias, TypeVar, cast

import psycopg
from psycopg.adapt import PyFormat

from oeventdb.errors import InvalidArgument, translate

R = TypeVar("R")

Json: TypeAlias = Mapping[str, Any] | Sequence[Any]
"""What may be given for a jsonb argument; a Decimal inside is sent as a number, or refused where that is another."""

CALL_ERRORS: Final = (psycopg.Error, UnicodeEncodeError)
"""What a call can raise: psycopg's errors, and text that is no Unicode."""

_BYTES: Final = (bytes, bytearray, memoryview)

_LIMITS: Final = {"integer": 2**31, "bigint": 2**63}


class _Default:
    """The type of DEFAULT; ``help()`` shows it by this name."""

    def __repr__(self) -> str:
        return "DEFAULT"

    def __reduce__(self) -> str:
        # a copy is the same object: it is recognized by that
        return "DEFAULT"


DEFAULT: Final[Any] = _Default()
"""Leaves an argument to the default that the database declares for it."""


class Function(Generic[R]):
    """A function of the API, the statements that call it, and how its rows are made.

    An argument left at DEFAULT is not named in the statement, so that the default
    is always the one of the database that is called. The columns are named, so that
    columns which a newer database adds do no harm.
    """

    __slots__ = ("_call", "_limits", "_statements", "_texts", "casts", "row_factory")

    def __init__(self, name: str, returns: type[R], /, **casts: str) -> None:
        if dataclasses.is_dataclass(returns):
            columns = ", ".join(f'"{field.name}"' for field in dataclasses.fields(returns))
            self._call = f"SELECT {columns} FROM oeventdb.{name}"  # noqa: S608 - names of the catalog
            make = _row_maker(returns)
        else:
            self._call = f"SELECT oeventdb.{name}"
            make = _first
        self.casts = casts
        types = ((name, cast.removesuffix("[]")) for name, cast in casts.items())
        self._limits = {name: _LIMITS[type_] for name, type_ in types if type_ in _LIMITS}
        self._texts = tuple(name for name, cast in casts.items() if cast == "text")
        self._statements: dict[tuple[str, ...], bytes] = {}
        self.row_factory: Callable[[Any], Callable[[Sequence[Any]], R]] = lambda _: make

    def statement(self, arguments: Mapping[str, Any]) -> bytes:
        """The statement that gives these arguments; raises InvalidArgument for a number or text that is none of its type."""
        for name, limit in self._limits.items():
            value = arguments.get(name)
            for item in cast("list[object]", value) if isinstance(value, list) else [value]:
                _require_whole(name, item, limit)
        for name in self._texts:
            if isinstance(arguments.get(name), _BYTES):
                # a cast would make a text of their hexadecimal digits
                raise _invalid(name, f"{arguments[name]!r} is no str")
        names = tuple(arguments)
        statement = self._statements.get(names)
        if statement is None:
            given = ", ".join(f"{name} => %({name})s::{self.casts[name]}" for name in names)
            statement = f"{self._call}({given})".encode()
            self._statements[names] = statement
        return statement


def require_connection(connection: object, kind: type, other: type) -> None:
    """Refuse what is no connection, or one of the other kind, of which psycopg would only say that it has other locks."""
    if isinstance(connection, other) or not hasattr(connection, "pgconn"):
        raise TypeError(f"a psycopg.{kind.__name__} is needed, not {type(connection)}")


def given(**arguments: Any) -> dict[str, Any]:
    """The arguments without those left at DEFAULT."""
    return {name: value for name, value in arguments.items() if value is not DEFAULT}


def jsonb(name: str, value: Any) -> Any:
    """The text of a jsonb argument; None and DEFAULT stay what they are."""
    if value is None or value is DEFAULT:
        return value
    return json.dumps(value, default=lambda item: _json_value(name, item))


def array(value: Any) -> Any:
    """An array parameter of any sequence; what is one value, as a text is, stays what it is."""
    # "12" is no 1 and 2: PostgreSQL refuses it
    is_one = isinstance(value, (str, *_BYTES)) or not isinstance(value, Iterable)
    return cast("object", value) if is_one else list(cast("Iterable[object]", value))


def refuse(exc: Exception, arguments: Mapping[str, Any], *, is_done: bool = False) -> NoReturn:
    """Raise the domain error for what went wrong in a call, or the error itself if it is none.

    Values that PostgreSQL cannot take for the argument's type at all (a date that is none, text
    with a NUL character, True for an id), or psycopg not send (a dict for a text), are invalid
    arguments like those a function refuses. Where the call ``is_done``, it is a value of the answer
    that cannot be read, and no argument's fault.
    """
    error = translate(exc)
    if error is exc:
        if is_done or not (isinstance(exc, (psycopg.DataError, UnicodeEncodeError)) or _is_of_the_call(exc)):
            raise exc
        primary = exc.diag.message_primary if isinstance(exc, psycopg.Error) else None
        error = _invalid(_at_fault(exc, arguments), primary or str(exc))
    raise error from exc


def _is_of_the_call(exc: Exception) -> bool:
    """Whether our statement needs a cast that there is not, outside of any function or trigger, or has a value of no SQL type."""
    if isinstance(exc, psycopg.errors.CannotCoerce):
        return exc.diag.statement_position is not None
    return isinstance(exc, psycopg.ProgrammingError) and exc.sqlstate is None


def _at_fault(exc: Exception, arguments: Mapping[str, Any]) -> str | None:
    """The argument whose value could not be sent or read, where that is known."""
    if isinstance(exc, psycopg.Error) and exc.sqlstate:
        # PostgreSQL says "parameter $1"; parameters are numbered as the arguments stand in the statement
        numbers = re.findall(r"\$(\d+)", exc.diag.context or "")
        return dict(enumerate(arguments, 1)).get(int(numbers[0])) if len(numbers) == 1 else None
    if isinstance(exc, psycopg.ProgrammingError):
        return next((name for name, value in arguments.items() if not _is_sent(value)), None)
    unsent = exc.object if isinstance(exc, UnicodeEncodeError) else "\0"
    return next(
        (name for name, value in arguments.items() if isinstance(value, str) and unsent in value), None
    )


def _is_sent(value: Any) -> bool:
    """Whether psycopg knows an SQL type for a value, or for each item of a list."""
    items = cast("list[object]", value if isinstance(value, list) else [value])
    try:
        for item in items:
            psycopg.adapters.get_dumper(type(item), PyFormat.AUTO)
    except psycopg.ProgrammingError:
        return False
    return True


def _require_whole(name: str, value: Any, limit: int) -> None:
    """Refuse what is no number of a whole number's type; a cast would make another row's id of a fraction or bytes."""
    if isinstance(value, (float, Decimal, *_BYTES)):
        raise _invalid(name, f"{value!r} is no int")
    if isinstance(value, int) and not -limit <= value < limit:
        raise _invalid(name, f"{value} is out of range")


def _invalid(argument: str | None, reason: str) -> InvalidArgument:
    named = {"argument": argument} if argument else {}
    hint = f"Correct {argument or 'the arguments'} and call again; nothing was written."
    return InvalidArgument(reason, detail=named | {"reason": reason}, hint=hint)


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


def _json_value(name: str, value: object) -> Any:
    if isinstance(value, Decimal):
        if value.is_finite() and Decimal(repr(float(value))) == value:
            return float(value)
        raise _invalid(name, f"{value} is no number that can be sent exactly")
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return list(cast("Sequence[object]", value))
    raise TypeError(f"{type(value).__name__} is no JSON value")
