"""What a monitor wants to know of sync, in the text format of Prometheus."""

from __future__ import annotations

import sys
import threading
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import psycopg

from oeventdb.connection import connect, set_locally
from oeventdb.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from psycopg.rows import TupleRow

    from oeventdb.search.sync import Totals

METRICS = (
    ("oeventdb_sync_documents_total", "counter", "Changes that Elasticsearch has acknowledged."),
    ("oeventdb_sync_refused_total", "counter", "Changes that Elasticsearch has refused."),
    ("oeventdb_sync_errors_total", "counter", "Batches that had to wait for a server."),
    ("oeventdb_sync_pending", "gauge", "Changes that wait in the outbox."),
    ("oeventdb_sync_lag_seconds", "gauge", "Age of the oldest change that waits."),
    ("oeventdb_sync_dead_letters", "gauge", "Documents that were set aside."),
)


_LONGEST_SILENCE = 10.0
"""Seconds after which a client that asks nothing is hung up on."""

_LONGEST_LOOK = 4.0
"""Seconds that the database has for an answer, and that a scrape waits for its turn: together less than the ten of Prometheus."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away, either."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def exposition(dsn: str, totals: Totals, turn: threading.Lock) -> str:
    """Return the metrics; those of the database are left out while it is away or does not answer.

    Scrapes take turns: where it does not, each would keep one more of its connections.
    """
    values: dict[str, float] = {
        "oeventdb_sync_documents_total": totals.documents,
        "oeventdb_sync_refused_total": totals.dead,
        "oeventdb_sync_errors_total": totals.errors,
    }
    row = None
    if turn.acquire(timeout=_LONGEST_LOOK):
        try:
            row = _lag(dsn)
        finally:
            turn.release()
    if row is not None:
        names = ("oeventdb_sync_pending", "oeventdb_sync_lag_seconds", "oeventdb_sync_dead_letters")
        values |= dict(zip(names, row, strict=True))
    lines = []
    for name, kind, text in METRICS:
        if name in values:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", f"{name} {values[name]}"]
    return "\n".join(lines) + "\n"


def _lag(dsn: str) -> TupleRow | None:
    try:
        with closing(connect(dsn, connect_timeout=2)) as connection:
            set_locally(connection, {"statement_timeout": f"{_LONGEST_LOOK * 1000:.0f}"})
            return connection.execute(
                "SELECT pending, seconds, dead FROM oeventdb_internal.search_lag()"
            ).fetchone()
    except (OperationError, psycopg.Error):
        return None


@contextmanager
def served(port: int, dsn: str, totals: Totals) -> Iterator[int]:
    """Answer GET /metrics on 127.0.0.1 during the block; yield the port, a free one for 0.

    Raises OSError where the port is taken.
    """
    turn = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        timeout = _LONGEST_SILENCE

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
                return
            body = exposition(dsn, totals, turn).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing: a scrape is no news."""

    try:
        server = _Server(("127.0.0.1", port), Handler)
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, f"127.0.0.1:{port}") from exc
    with server:
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
