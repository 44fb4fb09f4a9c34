"""Running the command line in a test, and what holds for every run of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.testing import CliRunner

from oeventdb.cli import CommandLine, main
from oeventdb.cli.options import Settings, common_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result


def raising(exception: BaseException) -> click.Command:
    """Return a command line whose one command `go` raises."""

    @click.group(cls=CommandLine)
    def group() -> None:
        """Group."""

    @group.command()
    @common_options
    def go(_settings: Settings) -> None:
        """Raise."""
        raise exception

    return group


def showing(show: Callable[[Settings], object]) -> click.Command:
    """Return a command line whose one command `go` prints something of its settings."""

    @click.group(cls=CommandLine)
    def group() -> None:
        """Group."""

    @group.command()
    @common_options
    def go(settings: Settings) -> None:
        """Print."""
        click.echo(show(settings))

    return group


def run(command: click.Command, *arguments: str, **environment: str) -> Result:
    """Run a command as the shell would; there is never a traceback."""
    result = CliRunner().invoke(command, arguments, env=environment)
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def one_line(result: Result) -> str:
    """Return the only line of stderr of a failed command, which printed no data."""
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    return str(lines[0])


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return every command of the command line, as its words."""
    found: list[tuple[str, ...]] = []
    context = click.Context(group)
    for name in sorted(group.list_commands(context)):
        words = (*path, name)
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found += commands(command, words)
        else:
            found.append(words)
    return found
