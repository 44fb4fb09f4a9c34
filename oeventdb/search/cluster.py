"""One Elasticsearch: requests with patience, and its refusals as errors of ours."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from elastic_transport import ConnectionError as NoConnection
from elastic_transport import (
    JsonSerializer,
    NodeConfig,
    SerializationError,
    Transport,
    TransportError,
)
from elastic_transport.client_utils import url_to_node_config
from urllib3.exceptions import HTTPError

from oeventdb.errors import SearchUnavailable, SearchUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

RETRIED = frozenset({429, 502, 503, 504})
"""Statuses by which Elasticsearch, or a proxy before it, asks to come again."""

PATIENCE = 120.0
"""Seconds for which a request of a long task is repeated before the task gives up."""

_LONGEST_PAUSE = 10.0

_UNTRUSTED = re.compile("self.signed certificate|unable to get (?:local )?issuer certificate")
"""What OpenSSL says of a certificate whose authority it does not know."""


class Answer(NamedTuple):
    """The status of a response and its JSON, already read."""

    status: int
    body: Any


class Pauses:
    """Growing random pauses between attempts, until a deadline.

    Random, so that clients that were refused together do not come back together.
    """

    def __init__(self, patience: float, *, longest: float = _LONGEST_PAUSE) -> None:
        self._deadline = time.monotonic() + patience
        self._limit = longest
        self._longest = 0.1

    def wait(self, stop: threading.Event | None = None) -> bool:
        """Pause; return False instead when the deadline has passed or `stop` is set."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        pause = min(random.uniform(0, self._longest), left)  # noqa: S311
        self._longest = min(self._longest * 2, self._limit)
        if stop is None:
            time.sleep(pause)
            return True
        return not stop.wait(pause)


class _Parts(dict[str, Any]):
    """An object in an answer: to miss a part of it is to have no answer from Elasticsearch."""

    def __missing__(self, name: str) -> Any:
        raise SearchUnavailable(f"an answer that should be from Elasticsearch has no {name}")


class _Readable(JsonSerializer):
    """JSON, or the text of what is none: what stands before Elasticsearch refuses in a form of its own."""

    def json_loads(self, data: bytes) -> Any:
        return json.loads(data, object_hook=_Parts)

    def loads(self, data: bytes) -> Any:
        try:
            return super().loads(data)
        except (SerializationError, RecursionError):
            return data.decode("utf-8", "backslashreplace")


_READABLE = dict.fromkeys(
    ("application/json", "application/x-ndjson", "application/*", "text/*"), _Readable()
)


class Cluster:
    """Elasticsearch at a URL; may be used by several threads.

    Credentials are taken from the URL or from `api_key` and appear in no message.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        connections: int = 10,
    ) -> None:
        try:
            node = url_to_node_config(url, use_default_ports_for_scheme=True)
            node.host.encode("idna")
        except ValueError:
            # the message of the library quotes the URL, which may hold a password
            raise SearchUnavailable(
                "the Elasticsearch URL cannot be read",
                hint="give one such as http://localhost:9200",
            ) from None
        if node.scheme not in ("http", "https"):
            raise SearchUnavailable(
                f"the Elasticsearch URL begins with {node.scheme}://, not http:// or https://"
            )
        headers = dict(node.headers)
        if key := _readable(api_key):
            headers["authorization"] = f"ApiKey {key}"
        host = f"[{node.host}]" if ":" in node.host else node.host
        self.where = f"{node.scheme}://{host}:{node.port}{node.path_prefix}"
        self._transport = Transport(
            [_configured(node, headers, timeout, connections)],
            max_retries=0,
            # bodies that come as bytes go as they are
            serializers=_READABLE,
        )

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def attempt(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        ndjson: bool = False,
        accept: tuple[int, ...] = (),
    ) -> Answer:
        """Send one request once; raise TransportError where no answer came, and what else is raised meanwhile as it is.

        That of a status below 400, or in `accept`, is an object from Elasticsearch.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        headers = {"accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/x-ndjson" if ndjson else "application/json"
        try:
            response = self._transport.perform_request(method, target, body=body, headers=headers)
        except NoConnection as exc:
            # the library takes whatever is raised meanwhile for the network's, a time limit of the caller's too
            if exc.__cause__ and not isinstance(exc.__cause__, (OSError, HTTPError)):
                raise exc.__cause__ from None
            raise
        if response.meta.status < 400 or response.meta.status in accept:
            moved = response.meta.headers.get("location")
            if moved and 300 <= response.meta.status < 400:
                raise SearchUnavailable(
                    f"{self.where} redirects to {_without_secrets(moved)}",
                    hint="give the URL of Elasticsearch itself",
                )
            if "x-elastic-product" not in response.meta.headers:
                raise SearchUnavailable(f"what answers at {self.where} is not Elasticsearch")
            if not isinstance(response.body, dict):
                raise SerializationError("an answer that is no object")
        return Answer(response.meta.status, response.body)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        patience: float = 0.0,
        accept: tuple[int, ...] = (),
    ) -> Any:
        """Send a request and return its JSON; repeat it for `patience` seconds while none answers.

        Only for requests that may be repeated. Raises SearchUnavailable for any status of 400
        or above that is not in `accept`.
        """
        pauses = Pauses(patience)
        while True:
            try:
                answer = self.attempt(method, path, query=query, body=body, accept=accept)
            except (TransportError, SerializationError) as exc:
                if isinstance(exc, SerializationError) or not pauses.wait():
                    raise self.unreachable(exc) from None
                continue
            if answer.status < 400 or answer.status in accept:
                return answer.body
            if answer.status not in RETRIED or not pauses.wait():
                raise self.refused(answer)

    def unreachable(self, exc: Exception) -> SearchUnavailable:
        """Return the error for a request that had no readable answer."""
        if isinstance(exc, SerializationError):
            return SearchUnavailable(f"what answers at {self.where} is not Elasticsearch")
        reason = _innermost(exc)
        untrusted = _UNTRUSTED.search(reason)
        return SearchUnreachable(
            f"no answer from {self.where}: {reason}",
            hint="name a file with the certificate of its authority in SSL_CERT_FILE" if untrusted else None,
        )

    def refused(self, answer: Answer) -> SearchUnavailable:
        """Return the error for an answer of status 400 or above."""
        blocked = _is_block(answer.body)
        if answer.status in (401, 403) and not blocked:
            why = f": {reason_of(answer.body)}" if _type_of(answer.body) == "security_exception" else ""
            return SearchUnavailable(
                f"{self.where} refuses these credentials (HTTP {answer.status}){why}",
                hint="give user and password in the URL, or an API key in OEVENTDB_ELASTICSEARCH_API_KEY",
            )
        kind = SearchUnreachable if answer.status in RETRIED else SearchUnavailable
        return kind(
            f"{self.where} answers HTTP {answer.status}: {reason_of(answer.body)}",
            hint="lift the block and run the command again" if blocked else None,
        )


def _without_secrets(url: str) -> str:
    """Return a URL without user, password and parameters, of which one may be a token."""
    return re.sub("//[^/]*@", "//", re.split("[?#]", url)[0])


def _readable(api_key: str | None) -> str:
    """Return a key without the white space around it, such as the end of a file's line; empty for none."""
    key = (api_key or "").strip()
    if key.isascii() and key.isprintable():
        return key
    # the message of the library quotes it
    raise SearchUnavailable(
        "the API key for Elasticsearch cannot be read",
        hint="give it as Elasticsearch does: letters, digits and marks of ASCII",
    )


def _configured(node: NodeConfig, headers: dict[str, str], timeout: float, connections: int) -> NodeConfig:
    return node.replace(headers=headers, request_timeout=timeout, connections_per_node=connections)


def _error_of(body: Any) -> Any:
    """Return the error in an answer, or in an item of one, an object for Elasticsearch and a text for others."""
    return body.get("error", body) if isinstance(body, dict) else body


def _type_of(body: Any) -> object:
    """Return the type of the error in an answer, or in an item of one; None for others than Elasticsearch."""
    error = _error_of(body)
    return error.get("type") if isinstance(error, dict) else None


def _is_block(body: Any) -> bool:
    """Return whether it is the index that takes no writes or questions, from anybody."""
    return _type_of(body) == "cluster_block_exception"


def reason_of(body: Any) -> str:
    """Return what Elasticsearch says went wrong, in one line, with the cause that it names."""
    error = _error_of(body)
    if not isinstance(error, dict):
        return _storable(str(error or ""))[:300] or "no reason given"
    reason = str(error.get("reason") or error.get("type") or "no reason given")
    if error.get("type") == "index_closed_exception":
        # all it says is "closed"
        reason += f" is the index {error.get('index')}"
    causes = error.get("root_cause")
    for cause in (error.get("caused_by"), *(causes if isinstance(causes, list) else ())):
        if isinstance(cause, dict) and cause.get("reason") and cause["reason"] not in reason:
            reason += f": {cause['reason']}"
    return _storable(reason)[:600]


def _storable(text: str) -> str:
    """Return a text in one line, without what PostgreSQL takes in none: NUL, and halves of a character."""
    return " ".join(text.replace("\0", " ").split()).encode("utf-8", "replace").decode()


def require_whole(answer: dict[str, Any]) -> None:
    """Raise SearchUnavailable for the answer to a search from which a shard, or what takes too long, was left out."""
    if answer["_shards"]["failed"] or answer["timed_out"]:
        raise SearchUnavailable("a part of the index did not answer")


def _innermost(exc: Exception) -> str:
    """Return the operating system's words for a failed connection, without the wrapping."""
    for error in reversed((exc, *getattr(exc, "errors", ()))):
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError) and cause.strerror:
                return cause.strerror
            cause = cause.__cause__ or cause.__context__
    return " ".join(str(exc).split())[:200] or type(exc).__name__
