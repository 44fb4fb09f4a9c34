"""The outbox: changed events out of PostgreSQL, into the live index, acknowledged."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple

from elastic_transport import SerializationError, TransportError
from psycopg.types.string import ByteaBinaryLoader

from oeventdb.connection import unhindered
from oeventdb.errors import SearchUnavailable
from oeventdb.search.bulk import BRIEF, DETAILED
from oeventdb.search.cluster import reason_of
from oeventdb.search.export import BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

    from oeventdb.search.cluster import Cluster

_LOG = logging.getLogger("oeventdb.search")

_TAKE = "SELECT event_id, search_version, lines FROM oeventdb_internal.search_take(%s, %s::bigint[])"

BATCH = 1000
"""Events that a worker takes at a time."""

_LONGEST_REQUESTS = "10min"
"""For how long the requests of one batch may keep its transaction open."""


class Change(NamedTuple):
    """An event that has changed: its version and what Elasticsearch is sent for it."""

    event_id: int
    search_version: int
    lines: bytes


@dataclass
class Outcome:
    """What became of the changes of one batch."""

    taken: int = 0
    accepted: list[Change] = field(default_factory=list)
    refused: list[tuple[Change, str]] = field(default_factory=list)
    put_off: str = ""
    """Why the rest was put off; empty when there is none."""


def step(
    connection: psycopg.Connection[Any],
    cluster: Cluster,
    alias: str,
    *,
    batch: int = BATCH,
    only: Sequence[int] | None = None,
) -> Outcome:
    """Take one batch, send it, and remove from the outbox what Elasticsearch acknowledged.

    The connection must be in autocommit. Whatever fails in between leaves the changes in the
    outbox: sending one twice does no harm, because every write carries its version.
    """
    outcome = Outcome()
    with connection.transaction():
        # a worker that stands still must not keep its batch from the others
        unhindered(connection, idle=_LONGEST_REQUESTS)
        changes = fetch(connection, _TAKE, (batch, None if only is None else list(only)))
        outcome.taken = len(changes)
        for body in bodies(changes):
            deliver(cluster, alias, body, outcome)
        _record(connection, outcome)
    return outcome


def fetch(connection: psycopg.Connection[Any], query: LiteralString, values: Sequence[Any]) -> list[Change]:
    """Return the changes that a query gives, their lines as undecoded bytes."""
    with connection.cursor(binary=True) as cursor:
        cursor.adapters.register_loader("text", ByteaBinaryLoader)
        return [Change(*row) for row in cursor.execute(query, values)]


def _record(connection: psycopg.Connection[Any], outcome: Outcome) -> None:
    if outcome.accepted:
        connection.execute(
            "SELECT oeventdb_internal.search_acknowledge(%s::bigint[], %s::bigint[])",
            (
                [change.event_id for change in outcome.accepted],
                [change.search_version for change in outcome.accepted],
            ),
        )
    for change, reason in outcome.refused:
        _LOG.warning("event %s version %s refused: %s", change.event_id, change.search_version, reason)
        connection.execute(
            "SELECT oeventdb_internal.search_bury(%s, %s, %s)",
            (change.event_id, change.search_version, reason),
        )


def bodies(changes: list[Change]) -> Iterator[list[Change]]:
    """Yield the changes in groups of about the size of a bulk request."""
    group: list[Change] = []
    held = 0
    for change in changes:
        group.append(change)
        held += len(change.lines)
        if held >= BODY_BYTES:
            yield group
            group, held = [], 0
    if group:
        yield group


def deliver(cluster: Cluster, alias: str, changes: list[Change], outcome: Outcome) -> None:
    """Send changes and sort them by what Elasticsearch says of each.

    Raises SearchUnavailable when it says nothing, or nothing about the documents.
    """
    body = b"".join(change.lines for change in changes)
    path = f"/{alias}/_bulk"
    try:
        answer = cluster.attempt("POST", path, query=BRIEF, body=body, ndjson=True)
        if answer.status < 400 and answer.body.get("errors") is not False:
            answer = cluster.attempt("POST", path, query=DETAILED, body=body, ndjson=True)
    except (TransportError, SerializationError) as exc:
        raise cluster.unreachable(exc) from None
    if answer.status == 413:
        _deliver_one_by_one(cluster, alias, changes, outcome)
    elif answer.status >= 400:
        raise cluster.refused(answer)
    elif answer.body.get("errors") is False:
        outcome.accepted += changes
    else:
        _sort(changes, alias, answer.body, outcome)


def _deliver_one_by_one(cluster: Cluster, alias: str, changes: list[Change], outcome: Outcome) -> None:
    if len(changes) > 1:
        for change in changes:
            deliver(cluster, alias, [change], outcome)
        return
    size = len(changes[0].lines)
    outcome.refused.append((changes[0], f"the document of {size} bytes is too large for {cluster.where}"))


def _sort(changes: list[Change], alias: str, response: dict[str, Any], outcome: Outcome) -> None:
    items = [result for item in response.get("items", ()) for result in item.values()]
    if len(items) != len(changes):
        raise SearchUnavailable(f"{len(items)} of {len(changes)} changes were answered")
    for change, item in zip(changes, items, strict=True):
        status, failed = item["status"], "error" in item
        # 409: the index has this version or a newer one; 404 without an error: deleted already
        if status < 300 or status == 409 or (status == 404 and not failed):
            outcome.accepted.append(change)
        elif status == 400 and item["_index"] != alias:
            outcome.refused.append((change, reason_of(item)))
        else:
            # no word about the document: no index, or a closed one, which the name in the answer tells; a block, no
            # rights, too much to do
            outcome.put_off = reason_of(item)
