"""What Elasticsearch answers, or does not, is told in one line."""

from __future__ import annotations

import re
import signal
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import psycopg
import pytest

from oeventdb import search
from oeventdb.errors import SearchUnavailable, SearchUnreachable
from oeventdb.search.bulk import BulkFailed
from tests import samples
from tests.search.test_reindex import documents
from tests.search.test_set_aside import refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.search.elastic import Elastic
    from tests.search.proxy import Proxy


def test_an_address_with_colons_is_told_in_brackets() -> None:
    with (
        search.Cluster("http://[::1]:1") as cluster,
        pytest.raises(SearchUnavailable, match=r"no answer from http://\[::1\]:1: "),
    ):
        cluster.request("GET", "/")


class _Encrypted(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"encrypted":true}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_certificate_of_nobody_known_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = f"req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout {key} -out {certificate}"
    named = ("-addext", "subjectAltName=DNS:localhost")
    subprocess.run(["openssl", *made.split(), *named], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Encrypted) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://localhost:{server.server_address[1]}"
        with search.Cluster(url) as cluster, pytest.raises(SearchUnreachable) as caught:
            cluster.request("GET", "/")
        assert "self-signed certificate" in str(caught.value)
        assert caught.value.hint == "name a file with the certificate of its authority in SSL_CERT_FILE"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with search.Cluster(url) as cluster:
            assert cluster.request("GET", "/") == {"encrypted": True}
        server.shutdown()


def test_a_document_for_which_elasticsearch_is_always_too_busy_is_named(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy
) -> None:
    """As it is for one over its indexing pressure limit, a tenth of its memory."""
    large = samples.event(db, description="large")
    proxy.verdict = lambda chunk: refusal(429) if b'"large"' in chunk else True
    told = rf"HTTP 429: .*, for 1 s, to a bulk request of \d+ bytes \(events {large}\)"
    with pytest.raises(SearchUnreachable, match=told):
        search.reindex(migrated, proxy.url, alias=elastic.alias, patience=1)


def test_a_request_that_is_too_large_is_halved(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy
) -> None:
    for _ in range(20):
        samples.event(db, description="x" * 500)
    largest = 3000

    def verdict(chunk: bytes) -> bytes | bool:
        length = re.match(
            rb"POST /\S+/_bulk.*?\r\ncontent-length: (\d+)\r\n", chunk, re.DOTALL | re.IGNORECASE
        )
        return refusal(413) if length and int(length[1]) > largest else True

    proxy.verdict = verdict
    search.reindex(migrated, proxy.url, alias=elastic.alias, patience=30, keep=0)
    assert proxy.cuts > 3
    assert elastic.documents() == documents(db)
    [live] = elastic.behind()
    alone = samples.event(db, description="x" * largest)
    with pytest.raises(BulkFailed, match=rf"^a bulk request of \d+ bytes \(events {alone}\) is too large"):
        search.reindex(migrated, proxy.url, alias=elastic.alias, patience=30)
    assert sorted(elastic.indices()) == elastic.behind() == [live]


@pytest.mark.parametrize(
    ("asked", "command"),
    [
        (b"_search", "search"),
        (b"_pit", "verify"),
        (b"_search", "verify"),
        (b"_mget", "verify"),
        (b"PUT", "reindex"),
        (b"_mapping", "reindex"),
        (b"_bulk", "reindex"),
        (b"_refresh", "reindex"),
        (b"_count", "reindex"),
        (b"_bulk", "sync"),
    ],
)
def test_an_answer_without_its_parts_is_told(
    db: psycopg.Connection, migrated: str, elastic: Elastic, proxy: Proxy, asked: bytes, command: str
) -> None:
    if command != "reindex":  # two in one second would have one name, at which a real PUT is refused
        search.reindex(migrated, elastic.url, alias=elastic.alias)
    samples.event(db)
    said = b'{"errors":true,"items":[{"index":{}}]}'
    answer = refusal(200, said).replace(b"\r\n", b"\r\nX-Elastic-Product: Elasticsearch\r\n", 1)
    proxy.verdict = lambda chunk: answer if asked in chunk.partition(b"\r\n")[0] else True
    commands: dict[str, Callable[[], object]] = {
        "search": lambda: search.search(proxy.url, "python", alias=elastic.alias),
        "verify": lambda: search.verify(migrated, proxy.url, alias=elastic.alias),
        "reindex": lambda: search.reindex(migrated, proxy.url, alias=elastic.alias, patience=0),
        "sync": lambda: search.sync(migrated, proxy.url, alias=elastic.alias, once=True, patience=0),
    }
    with pytest.raises(SearchUnavailable, match="should be from Elasticsearch has no "):
        commands[command]()


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [
        (200, b'{"a":' * 100_000, "is not Elasticsearch$"),
        (400, b'{"error":{"reason":"no","root_cause":null}}', "HTTP 400: no$"),
        (400, b'{"error":{"reason":"no","root_cause":5}}', "HTTP 400: no$"),
        (407, b"", "HTTP 407: no reason given$"),
        (407, b"null", "HTTP 407: no reason given$"),
        (400, b'{"error":null}', "HTTP 400: no reason given$"),
    ],
    ids=["nested", "no cause", "no list of causes", "nothing", "null", "null as error"],
)
def test_what_elasticsearch_would_not_say_is_told(proxy: Proxy, status: int, said: bytes, told: str) -> None:
    answer = refusal(status, said).replace(b"\r\n", b"\r\nX-Elastic-Product: Elasticsearch\r\n", 1)
    proxy.verdict = lambda _: answer
    with search.Cluster(proxy.url) as cluster, pytest.raises(SearchUnavailable, match=told):
        cluster.request("GET", "/")


def test_a_redirection_is_told_with_where_it_leads(proxy: Proxy) -> None:
    moved = b"Location: https://me:hunter2@search.example.org/_cluster/health?token=hunter2#hunter2"
    proxy.verdict = lambda _: refusal(301, b"").replace(b"\r\n", b"\r\n" + moved + b"\r\n", 1)
    with search.Cluster(proxy.url) as cluster, pytest.raises(SearchUnavailable) as caught:
        cluster.request("GET", "/_cluster/health")
    assert str(caught.value) == f"{proxy.url} redirects to https://search.example.org/_cluster/health"
    assert caught.value.hint == "give the URL of Elasticsearch itself"


def test_what_a_signal_raises_in_a_request_is_not_taken_for_the_network(proxy: Proxy) -> None:
    class TooLate(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise TooLate

    def verdict(_: bytes) -> bool:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        return True

    former = signal.signal(signal.SIGUSR1, interrupt)
    proxy.verdict = verdict
    try:
        with search.Cluster(proxy.url) as cluster, pytest.raises(TooLate):
            cluster.request("GET", "/_cluster/health")
    finally:
        signal.signal(signal.SIGUSR1, former)
