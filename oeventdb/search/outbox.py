"""The outbox: changed events out of PostgreSQL, into the live index, acknowledged."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple

from elastic_transport import SerializationError, TransportError
from psycopg.types.string import ByteaBinaryLoader

from oeventdb.connection import as_bytes, set_locally, storable, unhindered, value
from oeventdb.errors import SearchUnavailable
from oeventdb.search.bulk import DETAILED
from oeventdb.search.cluster import Answer, reason_of
from oeventdb.search.export import BODY_BYTES, is_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import psycopg

    from oeventdb.search.cluster import Cluster

_LOG = logging.getLogger("oeventdb.search")

_TAKE = "SELECT event_id, search_version, lines FROM oeventdb_internal.search_take(%s, %s::bigint[], %s, %s::bigint[])"

BATCH = 1000
"""Events that a worker takes at a time."""

_LONGEST_REQUESTS = "10min"
"""For how long the requests of one batch may keep its transaction open."""

_LONGEST_RECORDING = "10s"
"""The same once they are answered: what is acknowledged then, its writers wait for."""

_WAITING = "SELECT event_id, search_version FROM oeventdb_internal.search_current(%s::bigint[]) WHERE waits"

_DELETION = b'{"delete":'
_DEMAND = b'{"update":{"_id":"none"}}\n{"doc":{}}\n'
"""Changes nothing, and demands that it is an alias, which a deletion alone can't: with an external version it would
make an index that is missing."""

_ORDINARY = (
    b'{"index":{"_id":"none","if_seq_no":9007199254740991,"if_primary_term":1}}\n'
    b'{"id":0,"identifier":"none","name":"None","searchable_location_name":"nowhere","organizer_name":"nobody",'
    b'"organizer_description":"none","starts_at":"2000-01-01T00:00:00.000Z","ends_at":"2000-01-01T00:00:00.000Z",'
    b'"timezone":"UTC","location":{"lat":0,"lon":0},"privacy":"private","description":"none"}\n'
)
"""A document like any other that is never stored, as none has this sequence number: it goes through filters and
pipelines to the index, which finds a conflict."""

_TRIES, _TRIED_FOR = 5, 60.0
"""So often, and over so many seconds at least, a document is refused by itself before it is set aside."""


class Change(NamedTuple):
    """An event that has changed: its version and what Elasticsearch is sent for it."""

    event_id: int
    search_version: int
    lines: bytes
    """Empty where it is too large for any request."""

    @property
    def flaw(self) -> str:
        """Why it cannot be sent; empty when it can."""
        if not self.lines:
            return "its text is too large"
        return "" if is_utf8(self.lines) else "its text is not UTF-8"


class Tries:
    """How often documents were refused by themselves while others were not."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, float, int]] = {}

    def exhausted(self, change: Change) -> bool:
        """Count one more; return whether that was the last."""
        version, since, tries = self._known.get(change.event_id, (0, 0.0, 0))
        if version != change.search_version:
            since, tries = time.monotonic(), 0
        self._known[change.event_id] = (change.search_version, since, tries + 1)
        return tries + 1 >= _TRIES and time.monotonic() - since >= _TRIED_FOR

    def forget(self, changes: list[Change]) -> None:
        """Count no more what was accepted or set aside."""
        if self._known:
            for change in changes:
                self._known.pop(change.event_id, None)


class Left:
    """Events that were sent and are in the outbox still, as somebody is changing them: they have another turn after `pause` seconds.

    The others come first, or they would never have their turn where these are many, or long. What has changed
    already is sent again at once. Without a pause there is no other turn, for either.
    """

    def __init__(self, pause: float | None = None) -> None:
        self._pause = pause
        self._sent: dict[int, float] = {}

    def ids(self) -> list[int]:
        """Return all of them."""
        return list(self._sent)

    def due(self, batch: int) -> list[int]:
        """Return those that were sent the longest ago, if the pause is over for them."""
        if self._pause is None:
            return []
        before = time.monotonic() - self._pause
        return [each for each, sent in list(self._sent.items())[:batch] if sent < before]

    def update(self, asked: set[int], sent: Mapping[int, int], waiting: Mapping[int, int]) -> None:
        """Of those asked about, know just those that wait still, as sent now; both mappings have their versions.

        What was not sent, as there was too much or another worker has it, keeps its turn.
        """
        for each in asked - (waiting.keys() - sent.keys()):
            self._sent.pop(each, None)
        now = time.monotonic()
        for each in sent.keys() & waiting.keys():
            if self._pause is None or waiting[each] <= sent[each]:
                self._sent[each] = now


@dataclass
class Outcome:
    """What became of the changes of one batch."""

    tries: Tries = field(default_factory=Tries)
    left: Left = field(default_factory=Left)
    taken: int = 0
    removed: int = 0
    """How many left the outbox; the others have changed again."""
    accepted: list[Change] = field(default_factory=list)
    refused: list[tuple[Change, str]] = field(default_factory=list)
    put_off: str = ""
    """Why the rest was put off; empty when there is none."""

    @property
    def sent(self) -> dict[int, int]:
        """The events that Elasticsearch has answered for, and their versions."""
        return {change.event_id: change.search_version for change in self.answered}

    @property
    def answered(self) -> list[Change]:
        """What Elasticsearch has answered for."""
        return [*self.accepted, *(change for change, _ in self.refused)]


def step(
    connection: psycopg.Connection[Any],
    cluster: Cluster,
    alias: str,
    *,
    batch: int = BATCH,
    only: Sequence[int] | None = None,
    until: datetime | None = None,
    tries: Tries | None = None,
    left: Left | None = None,
) -> Outcome:
    """Take one batch, send it, and remove from the outbox what Elasticsearch acknowledged.

    With `until`, only of what was queued by then; none of what is `left`, unless it is named by `only`. The
    connection must be in autocommit. Whatever fails in between leaves the changes in the
    outbox: sending one twice does no harm, because every write carries its version.
    """
    outcome = Outcome(tries or Tries(), left or Left())
    with connection.transaction():
        # a worker that stands still must not keep its batch from the others
        unhindered(connection, idle=_LONGEST_REQUESTS)
        as_bytes(connection)
        named = None if only is None else list(only)
        changes = fetch(connection, _TAKE, (batch, named, until, outcome.left.ids()))
        outcome.taken = len(changes)
        _deliver_all(cluster, alias, changes, outcome)
        set_locally(connection, {"idle_in_transaction_session_timeout": _LONGEST_RECORDING})
        _record(connection, outcome, only or ())
    outcome.tries.forget(outcome.answered)
    return outcome


def _deliver_all(cluster: Cluster, alias: str, changes: list[Change], outcome: Outcome) -> None:
    sound: list[Change] = []
    for change in changes:
        if why := change.flaw:
            outcome.refused.append((change, why))
        else:
            sound.append(change)
    unanswered = 0
    for body in bodies(sound):
        try:
            deliver(cluster, alias, body, outcome)
        except SearchUnavailable as exc:
            outcome.put_off = str(exc)
            unanswered += 1
            # one body may be what it can't answer; after a second it is away, and each would be waited for
            if unanswered == 2:
                break


def fetch(connection: psycopg.Connection[Any], query: LiteralString, values: Sequence[Any]) -> list[Change]:
    """Return the changes that a query gives, their lines as undecoded bytes."""
    with connection.cursor(binary=True) as cursor:
        cursor.adapters.register_loader("text", ByteaBinaryLoader)
        return [Change(*row) for row in cursor.execute(query, values)]


def _record(connection: psycopg.Connection[Any], outcome: Outcome, known: Sequence[int]) -> None:
    acknowledged = 0
    if outcome.accepted:
        acknowledged = value(
            connection,
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
            (change.event_id, change.search_version, storable(connection, reason)),
        )
    sent = outcome.sent
    asked = {*known, *sent}
    waiting = (
        dict(connection.execute(_WAITING, (list(asked),)).fetchall()) if acknowledged < len(asked) else {}
    )
    outcome.removed = len(sent.keys() - waiting.keys())
    outcome.left.update(asked, sent, waiting)


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

    What is refused as a whole is halved until the document that is to blame is alone. Raises
    SearchUnavailable where there is no answer.
    """
    answer = _answer(cluster, alias, [change.lines for change in changes])
    if answer.status < 400:
        doubtful = _sort(changes, alias, answer.body, outcome)
        to_blame = bool(doubtful) and _takes_others(cluster, alias)
        for change, item in doubtful:
            if to_blame:
                _refused_alone(cluster, change, Answer(item["status"], item), outcome)
            else:
                outcome.put_off = reason_of(item)
    elif not _takes_others(cluster, alias):
        outcome.put_off = str(cluster.refused(answer))
    elif len(changes) > 1:
        middle = len(changes) // 2
        deliver(cluster, alias, changes[:middle], outcome)
        deliver(cluster, alias, changes[middle:], outcome)
    else:
        _refused_alone(cluster, changes[0], answer, outcome)


def _answer(cluster: Cluster, alias: str, lines: list[bytes]) -> Answer:
    body = b"".join(lines)
    is_demanding = all(line.startswith(_DELETION) for line in lines)
    if is_demanding:
        body += _DEMAND
    try:
        answer = cluster.attempt("POST", f"/{alias}/_bulk", query=DETAILED, body=body, ndjson=True)
    except (TransportError, SerializationError) as exc:
        raise cluster.unreachable(exc) from None
    if is_demanding and answer.status < 400:
        del answer.body.get("items", [])[len(lines) :]
    return answer


def _takes_others(cluster: Cluster, alias: str) -> bool:
    """Return whether an ordinary document gets as far as the index: then it is the documents."""
    answer = _answer(cluster, alias, [_ORDINARY])
    probe = Outcome()
    if answer.status < 400:
        _sort([Change(0, 0, _ORDINARY)], alias, answer.body, probe)
    return bool(probe.accepted or probe.refused)


def _refused_alone(cluster: Cluster, change: Change, answer: Answer, outcome: Outcome) -> None:
    if answer.status == 413:
        size = len(change.lines)
        outcome.refused.append((change, f"the document of {size} bytes is too large for {cluster.where}"))
        return
    why = f"{cluster.where} answers HTTP {answer.status}: {reason_of(answer.body)}"
    if outcome.tries.exhausted(change):
        outcome.refused.append((change, why))
    else:
        outcome.put_off = f"event {change.event_id}: {why}"


def _sort(
    changes: list[Change], alias: str, response: dict[str, Any], outcome: Outcome
) -> list[tuple[Change, dict[str, Any]]]:
    """Return what was refused before it came to an index: by a pipeline, or for want of an index."""
    doubtful: list[tuple[Change, dict[str, Any]]] = []
    items = [result for item in response.get("items", ()) for result in item.values()]
    if len(items) != len(changes):
        raise SearchUnavailable(f"{len(items)} of {len(changes)} changes were answered")
    for change, item in zip(changes, items, strict=True):
        status, failed = item["status"], "error" in item
        if item.get("result") == "noop":
            # no failure to Elasticsearch, but the index has what it had before
            doubtful.append((change, {**item, "error": "dropped by a pipeline"}))
        elif item["_index"] == alias and (not failed or status == 409):
            # in its place an index takes deletions, whatever is demanded, and has each by the second time
            outcome.put_off = f"{alias} is an index, not an alias of one"
        # 409: the index has this version or a newer one; 404 without an error: deleted already
        elif status < 300 or status == 409 or (status == 404 and not failed):
            outcome.accepted.append(change)
        elif status == 400 and item["_index"] != alias:
            outcome.refused.append((change, reason_of(item)))
        elif status in (400, 500) and item["_index"] == alias:
            doubtful.append((change, item))
        else:
            # no word about the document: no index, a block, no rights, too much to do
            outcome.put_off = reason_of(item)
    return doubtful
