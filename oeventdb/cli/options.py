"""The options every command takes, given after the (sub)command."""

from __future__ import annotations

import functools
import logging
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click
from click.core import ParameterSource

from oeventdb.cli.output import printable
from oeventdb.scrub import scrub

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

API_KEY_VARIABLE = "OEVENTDB_ELASTICSEARCH_API_KEY"
DEFAULT_ELASTICSEARCH_URL = "http://localhost:9200"
_DSN_HELP = (
    "PostgreSQL to work on: a libpq URL or conninfo, or embedded:DIR for an embedded server with its "
    "data in DIR. Keep passwords out of it: use PGPASSWORD or ~/.pgpass."
)
HOW_TO_GIVE_A_DSN = (
    "no database given: use --dsn or set OEVENTDB_DSN, "
    "for example postgresql://user@host/dbname, or embedded:DIR for an embedded server"
)


@dataclass(frozen=True)
class Settings:
    """What the common options say.

    `dsn` raises a usage error (exit 2) when none was given, so a command that needs no database
    simply does not ask for it.
    """

    given_dsn: str | None
    elasticsearch_url: str
    alias: str
    as_json: bool
    verbose: bool

    @property
    def dsn(self) -> str:
        """The libpq URL, conninfo or embedded:DIR to connect to."""
        if not self.given_dsn:
            raise click.UsageError(HOW_TO_GIVE_A_DSN)
        return self.given_dsn

    @property
    def elasticsearch_api_key(self) -> str | None:
        """The API key; from the environment only, because a process list shows arguments."""
        return os.environ.get(API_KEY_VARIABLE) or None


class _Printable(logging.Formatter):
    """Writes what moves nothing on a terminal and has no secrets: what is told of an answer may quote it."""

    def __init__(self, *locations: str | None) -> None:
        super().__init__("%(message)s")
        self._locations = locations

    def format(self, record: logging.LogRecord) -> str:
        return printable(scrub(super().format(record), *self._locations))


def _log_to_stderr(*locations: str | None, verbose: bool) -> None:
    """Send this package's log to stderr: warnings, or everything with -v."""
    # without a handler Python prints what psycopg warns of, such as the end of a transaction that is interrupted
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    logger = logging.getLogger("oeventdb")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Printable(*locations))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)


def common_options(command: Callable[Concatenate[Settings, P], R]) -> Callable[..., R]:
    """Add the common options to a command and pass them to it as its first argument.

    Put it under `@click.command()` and the command's own options.
    """

    @click.option(
        "--dsn",
        envvar="OEVENTDB_DSN",
        metavar="DSN",
        help=_DSN_HELP,
    )
    @click.option(
        "--elasticsearch-url",
        envvar="OEVENTDB_ELASTICSEARCH_URL",
        default=DEFAULT_ELASTICSEARCH_URL,
        show_default=True,
        metavar="URL",
        help=f"Elasticsearch to work on. An API key is read from {API_KEY_VARIABLE}.",
    )
    @click.option(
        "--alias",
        envvar="OEVENTDB_ALIAS",
        default="events",
        show_default=True,
        metavar="ALIAS",
        help="Alias that points to the live search index.",
    )
    @click.option(
        "--json",
        "as_json",
        is_flag=True,
        envvar="OEVENTDB_JSON",
        help="Print JSON on stdout.",
    )
    @click.option(
        "-v",
        "--verbose",
        is_flag=True,
        envvar="OEVENTDB_VERBOSE",
        help="Say on stderr what is being done.",
    )
    @functools.wraps(command)
    def wrapper(
        dsn: str | None,
        elasticsearch_url: str,
        alias: str,
        as_json: bool,
        verbose: bool,
        **own: Any,
    ) -> R:
        _log_to_stderr(dsn, elasticsearch_url, verbose=verbose)
        settings = Settings(dsn, elasticsearch_url, alias, as_json, verbose)
        return command(settings, **own)  # type: ignore[call-arg]

    return wrapper


def name_variables(command: click.Command, words: tuple[str, ...]) -> None:
    """Give every option of a command an environment variable: OEVENTDB_<COMMAND>_<OPTION>.

    Those that name their own keep it. All are shown in --help.
    """
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            name_variables(inner, (*words, name))
    for option in command.params:
        if isinstance(option, click.Option) and option.name and option.expose_value:
            option.envvar = option.envvar or _variable(*words, option.opts[-1].removeprefix("--"))
            option.show_envvar = True


def refuse_given(*names: str, because: str) -> None:
    """Raise a usage error for an option that was given and would do nothing.

    In the environment it may be meant for another command.
    """
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} {because}")


def _variable(*words: str) -> str:
    """Return a name that a shell can set; one with a hyphen it cannot."""
    return "_".join(("OEVENTDB", *words)).upper().replace("-", "_")
