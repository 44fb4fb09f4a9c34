"""The command line: parse, call one function of the package, print."""

from __future__ import annotations

import importlib
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from oeventdb import __version__
from oeventdb.cli import failures, output
from oeventdb.cli.exits import Exit
from oeventdb.cli.options import name_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType


class Terminated(KeyboardInterrupt):
    """Asked to stop by SIGTERM, or by SIGHUP as its terminal was closed: clean up as after Ctrl-C."""


def _raise_terminated(_signum: int, _frame: FrameType | None) -> None:
    raise Terminated


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Raise Terminated on SIGTERM and SIGHUP while the block runs, in the only thread that can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {
        number: handler
        for number in (signal.SIGTERM, signal.SIGHUP)
        # what is ignored stays so: nohup does that
        if (handler := signal.getsignal(number)) is not signal.SIG_IGN
    }
    for number in former:
        signal.signal(number, _raise_terminated)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


class CommandLine(click.Group):
    """A group whose every failure is one line on stderr and a documented exit status."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and exit; never print a traceback."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)  # noqa: FBT003
        output.take_everything()
        arguments = list(sys.argv[1:] if args is None else args)
        sys.exit(self._run(arguments, prog_name, complete_var, extra))

    def _run(
        self,
        arguments: list[str],
        prog_name: str | None,
        complete_var: str | None,
        extra: dict[str, Any],
    ) -> int:
        try:
            with _terminated_like_interrupted():
                result = super().main(arguments, prog_name, complete_var, False, **extra)  # noqa: FBT003
        except click.Abort as aborted:
            terminated = isinstance(aborted.__cause__ or aborted.__context__, Terminated)
            output.note("terminated" if terminated else "interrupted")
            return int(Exit.TERMINATED if terminated else Exit.INTERRUPTED)
        except click.exceptions.NoArgsIsHelpError as help_wanted:
            output.note(help_wanted.format_message())
            return int(Exit.USAGE)
        except Exception as exception:  # noqa: BLE001
            return failures.report(exception, arguments)
        return result if isinstance(result, int) else int(Exit.DONE)


# Each command, and where in this package it is: none waits for what only others need.
_COMMANDS = {
    "adopt": "catalog.adopt",
    "audit": "quality.audit_command",
    "check": "catalog.check",
    "demo": "demo.demo",
    "expire-orders": "selling.expire_orders",
    "grant": "catalog.grant",
    "migrate": "migrations.migrate",
    "quarantine": "quality.quarantine",
    "reindex": "search.reindex_command",
    "rollback": "migrations.rollback",
    "search": "search.search_command",
    "status": "migrations.status",
    "sync": "search.sync_command",
    "verify": "search.verify_command",
}


class Commands(CommandLine):
    """The commands of this package, each imported at its first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of the commands, without importing them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported at its first use."""
        # all of them for a name that there is not: click suggests one that is like it
        for name in (cmd_name,) if cmd_name in _COMMANDS else _COMMANDS:
            self._add(name)
        return super().get_command(ctx, cmd_name)

    def _add(self, name: str) -> None:
        if name not in self.commands:
            module, attribute = _COMMANDS[name].split(".")
            command = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
            name_variables(command, (name,))
            self.add_command(command, name)


@click.group(
    cls=Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="oeventdb")
def main() -> None:
    """Ticketing rules for Open Event's database, kept by PostgreSQL itself.

    \b
    Example:
      export OEVENTDB_DSN=postgresql://me@localhost/open_event
      oeventdb audit
      oeventdb migrate
      oeventdb reindex

    Exit status: 0 done; 1 refused or failed; 2 usage; 3 something differs;
    4 PostgreSQL unreachable; 5 Elasticsearch unreachable or refusing.
    """
