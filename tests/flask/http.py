"""Requests over real HTTP to an application in a real WSGI server; every answer has to be JSON:API."""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.flask.jsonapi import assert_valid

if TYPE_CHECKING:
    from collections.abc import Iterator

    import flask

KEY = "a key of the tests, long enough for HS256"
MEDIA_TYPE = "application/vnd.api+json"


def token(user_id: Any, **claims: Any) -> str:
    """A bearer token for a user."""
    return jwt.encode({"sub": str(user_id), "exp": time.time() + 60} | claims, KEY, algorithm="HS256")


def bearer(user: int) -> dict[str, str]:
    """The header by which a user is known."""
    return {"Authorization": f"Bearer {token(user)}"}


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status_code: int
    headers: http.client.HTTPMessage
    data: bytes

    @property
    def document(self) -> Any:
        """The document in it."""
        return json.loads(self.data)

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The errors in it."""
        errors: list[dict[str, Any]] = self.document["errors"]
        return errors


@dataclass(frozen=True)
class Api:
    """Requests as some user to the server at this port."""

    app: flask.Flask
    port: int

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"http://127.0.0.1:{self.port}"

    def __call__(
        self, method: str, path: str, document: Any = None, *, user: int | None = None, **headers: str
    ) -> Answer:
        """Send a request, with the document if it is not None."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if user is not None:
            given = bearer(user) | given
        if document is not None:
            given.setdefault("Content-Type", MEDIA_TYPE)
        return self.send(method, path, None if document is None else json.dumps(document).encode(), given)

    def get(self, path: str, *, user: int | None = None, **headers: str) -> Answer:
        """Send a GET."""
        return self("GET", path, user=user, **headers)

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        """Send these bytes, and check the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        finally:
            connection.close()
        if answer.data:
            assert answer.headers["Content-Type"] == MEDIA_TYPE
            assert_valid(answer.document)
        return answer


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the name is werkzeug's
        pass


@contextmanager
def served(app: flask.Flask) -> Iterator[Api]:
    """Serve an application on a free port until the end of the block."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Api(app, server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
