"""What changed while an index was built, brought to it before it goes live."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from oeventdb.errors import SearchUnavailable, SearchUnreachable
from oeventdb.search.cluster import Pauses
from oeventdb.search.export import Snapshot
from oeventdb.search.outbox import Outcome, bodies, deliver, fetch

if TYPE_CHECKING:
    from oeventdb.search.cluster import Cluster
    from oeventdb.search.outbox import Change

_LOG = logging.getLogger("oeventdb.search")

_PAGE = 1000
"""Events that are replayed at a time."""

_CHANGES = (
    "SELECT event_id, search_version, lines"
    " FROM oeventdb_internal.search_changes(%s::text::pg_catalog.pg_snapshot, %s, %s)"
)


class Replay:
    """Brings the changes since a snapshot to an index, in as many passes as wanted."""

    def __init__(
        self,
        dsn: str,
        cluster: Cluster,
        *,
        since: str,
        patience: float,
    ) -> None:
        self._dsn = dsn
        self._cluster = cluster
        self._patience = patience
        self.position = since
        """What the index has seen, as PostgreSQL writes it (pg_snapshot)."""

    def catch_up(self, alias: str) -> int:
        """Send what has been committed since the last pass to the index behind an alias; return how many events."""
        sent = 0
        after = -(2**63)
        with Snapshot(self._dsn) as snapshot:
            while changes := fetch(snapshot.connection, _CHANGES, (self.position, after, _PAGE)):
                for change in changes:
                    if why := change.flaw:
                        raise SearchUnavailable(f"event {change.event_id} was refused: {why}")
                for body in bodies(changes):
                    self._insist(alias, body)
                sent += len(changes)
                after = changes[-1].event_id
            self.position = snapshot.position
        if sent:
            _LOG.info("replayed %d changes", sent)
        return sent

    def _insist(self, alias: str, changes: list[Change]) -> None:
        pauses = Pauses(self._patience)
        while True:
            outcome = Outcome()
            try:
                deliver(self._cluster, alias, changes, outcome)
                why = outcome.put_off
            except SearchUnavailable as exc:
                why = str(exc)
            if outcome.refused:
                change, reason = outcome.refused[0]
                raise SearchUnavailable(f"event {change.event_id} was refused: {reason}")
            if not why:
                return
            if not pauses.wait():
                raise SearchUnreachable(f"{why}, for {self._patience:.0f} s")
