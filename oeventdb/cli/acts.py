"""The acts of the demo, each played on the servers and told to the one who watches."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from psycopg import Connection

from oeventdb import schema, search
from oeventdb.cli.progress import progress_bars
from oeventdb.cli.storyteller import Storyteller, story_console
from oeventdb.demo import story
from oeventdb.demo.stage import Missing, Stage, stage
from oeventdb.schema.audit import audit, rules

QUERY = "python berlin"
NDJSON = "oeventdb-demo.ndjson"
"""Written to the current directory where there is no Elasticsearch, or to a temporary one where that takes no files."""


def perform(
    *, dsn: str | None, elasticsearch_url: str | None, alias: str, api_key: str | None, quiet: bool
) -> dict[str, Any]:
    """Play all of them; return what was told as values of JSON."""
    started = time.monotonic()
    told: dict[str, Any] = {}
    teller = Storyteller(story_console(quiet=quiet))
    with stage(dsn=dsn, elasticsearch_url=elasticsearch_url, alias=alias, api_key=api_key) as servers:
        told["postgresql"] = servers.postgresql
        _legacy(servers, teller, told)
        with schema.connect(servers.dsn, autocommit=True) as connection:
            _migrate(servers, connection, teller, told)
            _defend(connection, teller, told)
        _search(servers, teller, told)
    told["seconds"] = round(time.monotonic() - started, 1)
    teller.end(told["seconds"])
    return told


def _legacy(servers: Stage, teller: Storyteller, told: dict[str, Any]) -> None:
    """Make the legacy database. Bars are gone before anything is told: both write to one terminal."""
    with progress_bars() as report:
        report("a legacy database", 0, None)
        told["rows"] = story.prepare(servers.dsn)
    teller.legacy(servers.postgresql, told["rows"])


def _migrate(servers: Stage, connection: Connection, teller: Storyteller, told: dict[str, Any]) -> None:
    """Audit, migrate, and see what is in quarantine."""
    with progress_bars() as report:
        before = audit(connection, progress=report)
    told["audit"] = [asdict(result) for result in before]
    teller.audit(before, {rule.name: rule.sentence for rule in rules()})

    started = time.monotonic()
    with progress_bars() as report:
        told["applied"] = schema.migrate(servers.dsn, progress=report)
    seconds = time.monotonic() - started
    told["left"] = {result.rule: result.violations for result in audit(connection) if result.violations}
    teller.migrated(told["applied"], seconds, told["left"])

    found = story.quarantined(connection)
    told["quarantine"] = [{**asdict(entry.reason), "example": entry.example} for entry in found]
    teller.quarantine(found)


def _defend(connection: Connection, teller: Storyteller, told: dict[str, Any]) -> None:
    """See an overselling INSERT refused, a removed holder put back once there is room, and seats sold."""
    ticket = story.sold_out_ticket(connection)
    refusal = story.oversell(connection, ticket.ticket_id)
    told["refused"] = asdict(refusal)
    teller.refused(ticket, refusal)

    entry = story.make_room_and_restore(connection, ticket)
    holder = story.holder(connection, entry.key)
    told["restored"] = {"id": entry.id, "key": entry.key, "admission_no": holder["admission_no"]}
    teller.restored(entry, holder)

    sale = story.sell(connection)
    told["sale"] = asdict(sale)
    teller.sold(sale)


def _search(servers: Stage, teller: Storyteller, told: dict[str, Any]) -> None:
    """Reindex and search; without Elasticsearch, write the documents to a file."""
    with progress_bars() as report:
        report("waiting for Elasticsearch", 0, None)
        engine = servers.elasticsearch()
    if isinstance(engine, Missing):
        exported = _export(servers.dsn)
        told["elasticsearch"] = None
        told["file"] = asdict(exported)
        teller.no_elasticsearch(engine, exported)
        return
    told["elasticsearch"] = engine.description
    with progress_bars() as report:
        built = search.reindex(
            servers.dsn, engine.url, alias=servers.alias, api_key=servers.api_key, progress=report
        )
    told["reindex"] = asdict(built)
    found = search.search(engine.url, QUERY, alias=servers.alias, api_key=servers.api_key)
    hits = [{**hit.document, "id": hit.id, "score": hit.score} for hit in found.hits]
    told["search"] = {"query": QUERY, "total": found.total, "hits": hits}
    teller.searched(engine.description, built, QUERY, found.total, hits)


def _export(dsn: str) -> search.Exported:
    try:
        return search.export_to_file(dsn, NDJSON)
    except OSError:
        return search.export_to_file(dsn, str(Path(tempfile.mkdtemp(prefix="oeventdb-demo-")) / NDJSON))
