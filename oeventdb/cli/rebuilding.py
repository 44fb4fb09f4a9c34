"""Rebuilding the search index, for the commands that do: reindex, and migrate --reindex."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from oeventdb.cli.progress import progress_bars

if TYPE_CHECKING:
    from oeventdb.cli.options import Settings
    from oeventdb.search import Definition, Reindexed

keep_option = click.option(
    "--keep",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    envvar="OEVENTDB_REINDEX_KEEP",
    metavar="N",
    help="Previous indices to keep, newest first.",
)
index_settings_option = click.option(
    "--index-settings",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="OEVENTDB_REINDEX_INDEX_SETTINGS",
    metavar="FILE",
    help="Mapping and settings of the index as JSON, in place of the shipped ones.",
)


def rebuild(settings: Settings, definition: Definition, keep: int) -> Reindexed:
    """Rebuild the index and swap it in."""
    from oeventdb import search

    with progress_bars() as report:
        return search.reindex(
            settings.dsn,
            settings.elasticsearch_url,
            alias=settings.alias,
            keep=keep,
            api_key=settings.elasticsearch_api_key,
            definition=definition,
            progress=report,
        )


def summary(done: Reindexed) -> str:
    """Say in a line what is live now."""
    return f"{done.alias} is now {done.index} with {done.documents} documents ({done.seconds:.1f} s)"
