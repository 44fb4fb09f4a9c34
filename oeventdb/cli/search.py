"""Commands around the search index."""

from __future__ import annotations

import re
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from oeventdb import search
from oeventdb.cli.exits import Exit
from oeventdb.cli.options import Settings, common_options, refuse_given
from oeventdb.cli.output import note, print_json, print_table
from oeventdb.cli.progress import progress_bars
from oeventdb.cli.rebuilding import index_settings_option, keep_option, rebuild, summary
from oeventdb.search.metrics import served
from oeventdb.search.query import MOST_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SHOWN = 8


@click.command("reindex")
@click.option(
    "--to-file",
    metavar="PATH",
    help="Write the documents as bulk NDJSON to a file, or - for stdout, instead of indexing them.",
)
@keep_option
@index_settings_option
@common_options
def reindex_command(settings: Settings, to_file: str | None, keep: int, index_settings: Path | None) -> None:
    """Rebuild the search index and swap it in once complete.

    Searches are answered all the time, by the old index until the swap. When anything goes
    wrong nothing is swapped and the exit status says why.

    \b
    Example:
      oeventdb reindex
      oeventdb reindex --keep 3 --json
      oeventdb reindex --to-file - | gzip > events.ndjson.gz
    """
    if to_file is not None:
        refuse_given("keep", "index_settings", because="is for an index, and none is made with --to-file")
        _export(settings, to_file)
        return
    done = rebuild(settings, search.load(index_settings), keep)
    if settings.as_json:
        print_json(done)
    else:
        note(summary(done))


def _export(settings: Settings, path: str) -> None:
    with progress_bars() as report:
        done = search.export_to_file(settings.dsn, path, progress=report)
    if settings.as_json and path != "-":
        print_json(done)
    else:
        note(f"{done.documents} documents written to {done.path} ({done.seconds:.1f} s)")


@click.command("sync")
@click.option("--once", is_flag=True, help="Bring over what is waiting now, and stop.")
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=64),
    default=search.WORKERS,
    show_default=True,
    metavar="N",
    help="Batches under way at once, each over a connection of its own.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(min=1, max=65535),
    metavar="PORT",
    help="Answer Prometheus on http://127.0.0.1:PORT/metrics.",
)
@common_options
def sync_command(settings: Settings, once: bool, workers: int, metrics_port: int | None) -> None:
    """Keep the search index up to date.

    Every change is brought over soon after its commit. Runs until SIGTERM or Ctrl-C, which let the
    batches under way finish. While a server is away the changes wait in the database. Several may
    run at once.

    \b
    Example:
      oeventdb sync
      oeventdb sync --metrics-port 9464
      oeventdb sync --once --json
    """
    done = search.Totals()
    with served(metrics_port, settings.dsn, done) if metrics_port else nullcontext():
        search.sync(
            settings.dsn,
            settings.elasticsearch_url,
            alias=settings.alias,
            once=once,
            workers=workers,
            api_key=settings.elasticsearch_api_key,
            totals=done,
        )
    if settings.as_json:
        print_json(done)
    else:
        note(f"{done.documents} changes brought over, {done.dead} refused ({done.seconds:.1f} s)")


@click.command("verify")
@click.option("--repair", is_flag=True, help="Mend the differences, and only these.")
@common_options
def verify_command(settings: Settings, repair: bool) -> int:
    """Compare the index with the database, event by event.

    Missing are events that the index lacks, stale those of another version, surplus those that do
    not belong in it. Exit status 3 when differences are left.

    \b
    Example:
      oeventdb verify
      oeventdb verify --repair --json
    """
    with progress_bars() as report:
        found = search.verify(
            settings.dsn,
            settings.elasticsearch_url,
            alias=settings.alias,
            repair=repair,
            api_key=settings.elasticsearch_api_key,
            progress=report,
        )
    if settings.as_json:
        print_json(found)
    else:
        rows = [(kind, len(ids), _some(ids)) for kind, ids in _differences(found).items() if ids]
        if rows:
            print_table(("difference", "events", "for example"), rows)
        mended = f", {found.repaired} repaired" if repair else ""
        note(f"{found.documents} documents compared, {sum(row[1] for row in rows)} differ{mended}")
    return Exit.DIFFERS if found.left else Exit.DONE


def _differences(found: search.Verified) -> dict[str, Sequence[int | str]]:
    return {"missing": found.missing, "stale": found.stale, "surplus": found.surplus}


def _some(ids: Sequence[int | str]) -> str:
    shown = ", ".join(map(str, ids[:_SHOWN]))
    return f"{shown}, ..." if len(ids) > _SHOWN else shown


def _words(_: click.Context, __: click.Parameter, value: str) -> str:
    # fails for what is not UTF-8, which Elasticsearch would read as no word at all
    value.encode()
    if len(value.split()) > MOST_WORDS:
        raise click.BadParameter(f"more than {MOST_WORDS} words")
    return value


def _place(_: click.Context, __: click.Parameter, value: str | None) -> tuple[float, float] | None:
    if value is None:
        return None
    # float() reads more than that: digits of other scripts, 1_0
    parts = value.split(",") if re.fullmatch(r"[-+.,eE0-9 ]*", value) else ()
    try:
        latitude, longitude = map(float, parts)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not LAT,LON such as 52.5,13.4") from None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise click.BadParameter(f"{value!r} is nowhere on earth")
    return latitude, longitude


def _distance(_: click.Context, __: click.Parameter, value: str) -> str:
    number = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(?:m|km|mi)", value)
    if number is None or float(number[1]) == 0:
        raise click.BadParameter(f"{value!r} is no distance such as 50km")
    return value


@click.command("search")
@click.argument("query", callback=_words)
@click.option(
    "--limit",
    type=click.IntRange(min=1, max=1000),
    default=10,
    show_default=True,
    metavar="N",
    help="How many hits to show.",
)
@click.option("--include-private", is_flag=True, help="Show private events as well.")
@click.option(
    "--from",
    "starting",
    type=click.DateTime(),
    metavar="TIME",
    help="Only events that start then or later (UTC): 2026-05-01 or 2026-05-01T09:30:00.",
)
@click.option("--near", callback=_place, metavar="LAT,LON", help="Only events near this place.")
@click.option(
    "--within",
    callback=_distance,
    metavar="DISTANCE",
    default="50km",
    show_default=True,
    help="How near: a number with m, km or mi.",
)
@common_options
def search_command(
    settings: Settings,
    query: str,
    limit: int,
    include_private: bool,
    starting: datetime | None,
    near: tuple[float, float] | None,
    within: str,
) -> None:
    """Ask the search index for published events.

    QUERY is words, or beginnings of words. Every one has to be found, in the name, place,
    organizer or description.

    \b
    Example:
      oeventdb search "python berlin"
      oeventdb search "pyth ber" --limit 3 --json
      oeventdb search python --from 2026-05-01 --near 52.5,13.4 --within 100km
    """
    if near is None:
        refuse_given("within", because="is around a place, and none is given with --near")
    found = search.search(
        settings.elasticsearch_url,
        query,
        alias=settings.alias,
        limit=limit,
        include_private=include_private,
        starting=starting,
        near=near,
        within=within,
        api_key=settings.elasticsearch_api_key,
    )
    if settings.as_json:
        hits = [{**hit.document, "id": hit.id, "score": hit.score} for hit in found.hits]
        print_json({"total": found.total, "hits": hits})
        return
    if found.hits:
        print_table(
            ("id", "name", "place", "starts", "organizer"),
            [(hit.id, *_shown(hit.document)) for hit in found.hits],
        )
    note(f"{len(found.hits)} of {found.total} events")


def _shown(document: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return what a person wants to see of a hit: name, place, day and organizer."""
    starts = document.get("starts_at")
    return (
        document.get("name"),
        document.get("searchable_location_name"),
        # not parsed: what somebody has put there need not be a date
        str(starts)[:10] if starts else None,
        document.get("organizer_name"),
    )
