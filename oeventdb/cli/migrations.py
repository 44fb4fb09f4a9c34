"""migrate, rollback, status: what a DBA does with the schema."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from oeventdb import schema
from oeventdb.cli.database import transaction
from oeventdb.cli.exits import Exit
from oeventdb.cli.options import common_options, refuse_given
from oeventdb.cli.output import note, print_json, print_table
from oeventdb.cli.progress import progress_bars
from oeventdb.cli.rebuilding import index_settings_option, keep_option, rebuild, summary
from oeventdb.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from oeventdb.cli.options import Settings
    from oeventdb.search import Definition


def _finite(_: click.Context, __: click.Parameter, value: float) -> float:
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is no number of seconds")
    return value


_patience = click.option(
    "--patience",
    type=click.FloatRange(min=0),
    callback=_finite,
    default=schema.PATIENCE,
    show_default=True,
    envvar="OEVENTDB_PATIENCE",
    show_envvar=True,
    metavar="SECONDS",
    help="How long to wait for another upgrader, and for the locks of one statement.",
)
_dry_run = click.option(
    "--dry-run",
    is_flag=True,
    envvar="OEVENTDB_DRY_RUN",
    show_envvar=True,
    help="Write nothing, and print what would run.",
)


def _to(meaning: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option("--to", metavar="ID", envvar="OEVENTDB_TO", show_envvar=True, help=meaning)


def _describe(ids: list[str], direction: str, *, verbose: bool, adopted: AbstractSet[str]) -> None:
    """Print what a dry run found: a line a migration, with -v its SQL."""
    for migration in (schema.find(schema.load(), wanted) for wanted in ids):
        if migration.id in adopted:
            click.echo(f"{migration.id}  is no longer marked as applied; the adopted tables stay as they are")
            continue
        script = migration.rollback if direction == "rollback" else migration.apply
        kind = "one transaction" if script.transactional else "resumable steps"
        click.echo(f"{migration.id}  {len(script.statements)} statements, {kind}")
        click.echo(f"    {script.summary}")
        if verbose:
            click.echo(script.text)


@click.command()
@_to("Stop after this migration; an id or the beginning of one, such as 0003.")
@_dry_run
@_patience
@click.option(
    "--reindex", is_flag=True, help="Rebuild the search index afterwards, as oeventdb reindex does."
)
@keep_option
@index_settings_option
@common_options
def migrate(
    settings: Settings,
    to: str | None,
    dry_run: bool,
    patience: float,
    reindex: bool,
    keep: int,
    index_settings: Path | None,
) -> None:
    """Apply pending migrations while the database stays in use.

    Interrupted at any point, even by kill -9, it goes on where it stopped when it is run again.
    Of several started at once, one works and the others wait for it. When the index cannot be
    rebuilt the migrations stay applied.

    \b
    Example:
      oeventdb migrate --dry-run
      oeventdb migrate
      oeventdb migrate --to 0003
      oeventdb migrate --reindex
    """
    if not reindex:
        refuse_given("keep", "index_settings", because="is for an index, and none is made without --reindex")
    definition = None
    if reindex:
        # here, as few need it, and it takes a third of the start of a command
        from oeventdb import search

        # before anything is changed: the file may be none
        definition = search.load(index_settings)
    with _told_anyway(settings, "applied") as done, progress_bars() as progress:
        applied = schema.migrate(
            settings.dsn, to=to, dry_run=dry_run, progress=progress, patience=patience, done=done
        )
    if dry_run:
        _print_plan(settings, applied, "migrate", reindex=reindex)
    elif definition is not None:
        _rebuild_after(applied, settings, definition, keep)
    elif settings.as_json:
        print_json({"applied": applied})
    else:
        _print_done(applied, "applied", "nothing to apply")


def _rebuild_after(applied: list[str], settings: Settings, definition: Definition, keep: int) -> None:
    """Rebuild the index; print what was applied, whatever becomes of the index."""
    done = None
    if not settings.as_json:
        _print_done(applied, "applied", "nothing to apply")
    try:
        done = rebuild(settings, definition, keep)
    except OperationError as exc:
        hint = exc.hint or "run oeventdb reindex once that is mended"
        raise type(exc)(f"{exc}; the migrations stay applied", hint=hint) from exc
    finally:
        if settings.as_json:
            print_json({"applied": applied, "reindex": done})
    if not settings.as_json:
        note(summary(done))


@click.command()
@_to("Undo everything after this migration; it stays applied.")
@_dry_run
@_patience
@common_options
def rollback(settings: Settings, to: str | None, dry_run: bool, patience: float) -> None:
    """Undo the last migration, or all after --to ID.

    The legacy data is put back; what was changed since a migration is kept and listed (oeventdb
    quarantine list).

    \b
    Example:
      oeventdb rollback --dry-run
      oeventdb rollback
      oeventdb rollback --to 0001
    """
    with _told_anyway(settings, "rolled back") as done, progress_bars() as progress:
        undone = schema.rollback(
            settings.dsn, to=to, dry_run=dry_run, progress=progress, patience=patience, done=done
        )
    if dry_run:
        with transaction(settings, read_only=True) as connection:
            adopted = {m.id for m in schema.status(connection).migrations if m.adopted}
        _print_plan(settings, undone, "rollback", adopted=adopted)
    elif settings.as_json:
        print_json({"rolled_back": undone})
    else:
        _print_done(undone, "rolled back", "nothing to roll back")


def _print_plan(
    settings: Settings,
    ids: list[str],
    direction: str,
    *,
    reindex: bool = False,
    adopted: AbstractSet[str] = frozenset(),
) -> None:
    """Print what would run, and with `reindex` that the index would be rebuilt."""
    if settings.as_json:
        done = "applied" if direction == "migrate" else "rolled_back"
        print_json({done: [], "would_run": ids} | ({"would_reindex": settings.alias} if reindex else {}))
        return
    _describe(ids, direction, verbose=settings.verbose, adopted=adopted)
    then = f", then {settings.alias} would be rebuilt" if reindex else ""
    note(f"dry run: nothing was written; {len(ids)} would run{then}")


@contextmanager
def _told_anyway(settings: Settings, what: str) -> Iterator[Callable[[str], None]]:
    """Yield what takes the ids of migrations that are done; print them where the next one fails."""
    ids: list[str] = []
    try:
        yield ids.append
    except BaseException:
        if ids and settings.as_json:
            print_json({what.replace(" ", "_"): ids})
        elif ids:
            _print_done(ids, what, "")
        raise


def _print_done(ids: list[str], done: str, nothing: str) -> None:
    for migration in ids:
        click.echo(f"{done} {migration}")
    if not ids:
        note(nothing)


@click.command()
@common_options
def status(settings: Settings) -> int:
    """Show the migrations and the version of every function.

    Each migration with when it was applied, or that it is pending.

    Exit status 3 when migrations are pending or interrupted.

    \b
    Example:
      oeventdb status
      oeventdb status --json
    """
    with transaction(settings, read_only=True) as connection:
        found = schema.status(connection)
    if settings.as_json:
        print_json(found)
    else:
        _print_status(found)
    return int(Exit.DIFFERS if found.pending else Exit.DONE)


def _print_status(found: schema.Status) -> None:
    rows = [(m.id, _when(m), m.applied_by, m.seconds) for m in found.migrations]
    started = {m.id for m in found.migrations}
    rows += [(wanted, "pending", "", None) for wanted in found.pending if wanted not in started]
    print_table(["migration", "applied at", "by", "seconds"], rows)
    if found.functions:
        print_table(
            ["function", "version", "hash", "current"],
            [(f.name, f.version, f.hash[:12], "yes" if f.current else "NO") for f in found.functions],
        )
    note(f"database at {found.database or 'nothing'}, package {found.package}, {len(found.pending)} pending")


def _when(migration: schema.Applied) -> str:
    if migration.applied_at is None:
        return "interrupted: run migrate again"
    adopted = " (adopted)" if migration.adopted else ""
    return f"{migration.applied_at:%Y-%m-%d %H:%M:%S %Z}{adopted}"
