"""Turning every failure of a command into one line on stderr and an exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click
import psycopg

from oeventdb import errors
from oeventdb.cli.exits import Exit
from oeventdb.cli.output import give_up_data, note, printable
from oeventdb.scrub import scrub

if TYPE_CHECKING:
    from collections.abc import Iterator

# SQLSTATE classes and codes by which a server says that it is not there (any more).
_REFUSING_CLASSES = ("28", "3D")
_UNREACHABLE_CLASSES = ("08", *_REFUSING_CLASSES)
_UNREACHABLE_CODES = ("57P01", "57P02", "57P03", "53300")

_HINTS = {
    "25006": "connect to the primary server; default_transaction_read_only may be set for the role or the database",
    "42501": "connect as the owner, or have the owner give this role what `oeventdb grant` does",
    "55P03": "another session keeps the lock: pg_stat_activity shows it; wait for its end, or end it, and run the command again",
    "57014": "if a limit of the role or database did it, PGOPTIONS='-c statement_timeout=0' lifts it for one command",
}
"""What to do where the server does not say."""

_WHEN_LOST = "run the command again when the server answers"


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _with_hint(message: str, hint: str | None) -> str:
    return f"{message} ({hint})" if hint else message


class _Failure(NamedTuple):
    """What kind of failure it is, an SQLSTATE or a word; what is said of it; and the exit status."""

    kind: str
    message: str
    status: int


def _of_rule(rule: errors.Error) -> _Failure:
    return _Failure(rule.sqlstate, _with_hint(str(rule), rule.hint), Exit.FAILED)


def _of_postgresql(exception: psycopg.Error) -> _Failure:
    rule = errors.translate(exception)
    if isinstance(rule, errors.Error):
        return _of_rule(rule)
    message = exception.diag.message_primary or str(exception) or type(exception).__name__
    state = exception.sqlstate
    kind = state or "postgresql"
    lost = isinstance(exception, psycopg.OperationalError) and state is None
    if lost or kind.startswith(_UNREACHABLE_CLASSES) or kind in _UNREACHABLE_CODES:
        hint = None if kind.startswith(_REFUSING_CLASSES) else _WHEN_LOST
        return _Failure(kind, _with_hint(message, hint), Exit.DATABASE)
    hint = exception.diag.message_hint or _HINTS.get(kind)
    return _Failure(kind, _with_hint(message, hint), Exit.FAILED)


def _is_of_elasticsearch(exception: BaseException) -> bool:
    """Tell whether Elasticsearch's client raised it, without importing that for every command."""
    modules = {cls.__module__.partition(".")[0] for cls in type(exception).__mro__}
    return not modules.isdisjoint({"elasticsearch", "elastic_transport"})


def _of_usage(exception: click.UsageError) -> _Failure:
    message = exception.format_message().rstrip(".")
    where = f"see {exception.ctx.command_path} --help" if exception.ctx is not None else None
    return _Failure("usage", _with_hint(message, where), Exit.USAGE)


def _failure(exception: BaseException) -> _Failure:
    """Return what is to be said of an exception.

    One that nobody foresaw is a defect of ours: it is still one line, with its type.
    """
    if isinstance(exception, errors.OperationError):
        message = _with_hint(str(exception), exception.hint)
        return _Failure(exception.kind, message, exception.exit_code)
    if isinstance(exception, errors.Error):
        return _of_rule(exception)
    if isinstance(exception, psycopg.Error):
        return _of_postgresql(exception)
    if _is_of_elasticsearch(exception):
        return _Failure("elasticsearch", str(exception), Exit.SEARCH)
    if isinstance(exception, click.UsageError):
        return _of_usage(exception)
    if isinstance(exception, click.ClickException):
        return _Failure("error", exception.format_message(), exception.exit_code)
    if isinstance(exception, UnicodeEncodeError):
        # the shell's bytes that are no UTF-8 come as surrogates, which no server is sent
        return _Failure("usage", "an option or argument is not UTF-8", Exit.USAGE)
    if isinstance(exception, OSError):
        where = f": {exception.filename}" if exception.filename else ""
        return _Failure("error", f"{exception.strerror or exception}{where}", Exit.FAILED)
    return _Failure("internal error", f"{type(exception).__name__}: {exception}", Exit.FAILED)


def _given_locations(arguments: list[str]) -> Iterator[str]:
    """Yield the values of --dsn and --elasticsearch-url, wherever they stand."""
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in {"--dsn", "--elasticsearch-url"}:
            if equals:
                yield value
            elif position + 1 < len(arguments):
                yield arguments[position + 1]


def report(exception: BaseException, arguments: list[str]) -> int:
    """Print the failure as one line without secrets and return the exit status."""
    failure = _failure(exception)
    message = scrub(_one_line(failure.message), *_given_locations(arguments))
    # what kind it is has no secrets, but may have the password in it: "postgresql" has "postgres"
    note(f"{failure.kind}: {message}")
    give_up_data()
    return int(failure.status)
