"""The reference page of the command line, from the commands themselves."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator

import click

from oeventdb.cli import main
from oeventdb.cli.options import common_options

INTRODUCTION = """\
# Commands

Every option has an environment variable. Data goes to stdout and everything else to stderr; `--json` makes the data one
JSON document. Exit status: 0 done; 1 refused or failed; 2 usage; 3 something differs; 4 PostgreSQL unreachable;
5 Elasticsearch unreachable or refusing; 130 and 143 interrupted.

This page is generated from the commands' `--help` by `make docs`.
"""

JSON = """\
## What `--json` prints

| command | document |
| --- | --- |
| `adopt` | `{"migration", "tables": {name: rows}, "other_tables", "notes": [text]}`; the rows are estimated |
| `audit` | `[{"rule", "table", "violations", "sample": [key]}]` |
| `check` | `[{"object", "kind", "state", "diff"}]`; the state is `missing`, `surplus` or `altered` |
| `demo` | what it tells, act by act |
| `expire-orders` | `{"expired"}` |
| `grant` | `{"kind", "role", "granted": [statement]}` |
| `migrate` | `{"applied": [id]}`; after `--reindex` also `"reindex"`, what `reindex` prints, null where it failed |
| `migrate --dry-run` | `{"applied": [], "would_run": [id]}`; with `--reindex` also `"would_reindex"`, the alias |
| `quarantine list` | `[{"id", "migration", "table", "key", "reason"}]` |
| `quarantine restore` | `{"id", "migration", "table", "key", "reason", "journaled_at", "restored_at"}` |
| `quarantine show` | the same, and `{"old_row": {column: value}, "current_row": {column: value}, "needs"}` |
| `reindex` | `{"index", "alias", "documents", "seconds"}` |
| `reindex --to-file` | `{"path", "documents", "seconds"}`; for `-` nothing, as the documents are on stdout |
| `rollback` | `{"rolled_back": [id]}` |
| `rollback --dry-run` | `{"rolled_back": [], "would_run": [id]}` |
| `search` | `{"total", "hits": [{"id", "score", "name", ...}]}`; a hit has every field of its document |
| `status` | `{"migrations": [{"id", "applied_at", "applied_by", "seconds", "adopted"}], "pending": [id], "functions": [{"name", "version", "hash", "current"}], "database", "package"}` |
| `sync` | at its end `{"documents", "dead", "errors", "seconds"}`: changes acknowledged and refused, batches that had to wait |
| `verify` | `{"documents", "missing": [id], "stale": [id], "surplus": [id], "repaired"}` |

Times are ISO 8601 with their offset from UTC; the key of a row is a text. A command that fails prints its line on stderr, and no
document unless something was done before: `migrate` and `rollback` print the migrations that they had finished.
"""


def commands_page() -> str:
    """Every command with its arguments, options and example, and what each prints as JSON."""
    shared = _shared()
    parts = [INTRODUCTION]
    parts.append("## Options of every command\n\nGiven after the command.\n")
    parts.append(_options([option for option in shared if option.name]))
    parts.append(JSON)
    names: set[str | None] = {option.name for option in shared}
    parts += [_section(path, command, names) for path, command in _commands(main, "oeventdb")]
    return "\n".join(parts)


def _shared() -> list[click.Option]:
    command = click.command()(common_options(lambda _settings: None))
    return [option for option in command.params if isinstance(option, click.Option)]


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        elif command:
            yield f"{path} {name}", command


def _section(path: str, command: click.Command, shared: set[str | None]) -> str:
    text, _, example = inspect.cleandoc(command.help or "").replace("\b", "").partition("\nExample:\n")
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    arguments = [_value(p) for p in command.params if isinstance(p, click.Argument)]
    own = [p for p in command.params if isinstance(p, click.Option) and p.name not in shared]
    usage = " ".join([path, *arguments, "[OPTIONS]"])
    lines = [f"## {path.removeprefix('oeventdb ')}", "", "```text", usage, "```", ""]
    for paragraph in filter(None, paragraphs):
        lines += [textwrap.fill(paragraph, 100), ""]
    if own:
        lines += [_options(own)]
    if example:
        lines += ["```sh", textwrap.dedent(example).strip(), "```", ""]
    return "\n".join(lines)


def _options(options: list[click.Option]) -> str:
    lines = ["| option | environment | meaning |", "| --- | --- | --- |"]
    lines += [f"| {_name(option)} | {_variable(option)} | {_meaning(option)} |" for option in options]
    return "\n".join([*lines, ""])


def _name(option: click.Option) -> str:
    value = "" if option.is_flag else f" {_value(option)}"
    return ", ".join(f"`{flag}{value}`" for flag in option.opts)


def _value(parameter: click.Parameter) -> str:
    if parameter.metavar:
        return parameter.metavar
    if isinstance(parameter.type, click.Choice):
        return "{" + "|".join(map(str, parameter.type.choices)) + "}"
    return (parameter.name or "").upper()


def _variable(option: click.Option) -> str:
    return f"`{option.envvar}`" if isinstance(option.envvar, str) else ""


def _meaning(option: click.Option) -> str:
    meaning = (option.help or "").replace("|", "\\|")
    if option.show_default and not option.is_flag and option.default is not None:
        meaning += f" Default: `{option.default}`."
    return meaning
