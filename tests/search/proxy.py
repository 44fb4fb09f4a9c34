"""A TCP proxy in front of a server that can cut, hold back and answer in its place."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

Verdict = Callable[[bytes], bytes | bool | None]
"""Takes a chunk from the client; says what becomes of it.

True lets it pass, None cuts the connection, bytes are sent to the client, which is then cut off.
"""


def let_pass(_: bytes) -> bool:
    """Leave the chunk alone."""
    return True


class Proxy:
    """Listens on a free port and forwards to a server; a context manager."""

    def __init__(self, host: str, port: int, verdict: Verdict = let_pass) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = True
        self._sockets: set[socket.socket] = set()
        self.verdict = verdict
        self.cuts = 0
        self.flowing = threading.Event()
        self.flowing.set()

    @property
    def url(self) -> str:
        """Where the proxy listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open = False
        self.flowing.set()
        _close(self._listener)
        for one in list(self._sockets):
            _close(one)

    def _accept(self) -> None:
        while self._open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                _close(client)
                continue
            self._sockets |= {client, server}
            threading.Thread(target=self._upstream, args=(client, server), daemon=True).start()
            threading.Thread(target=self._downstream, args=(client, server), daemon=True).start()

    def _upstream(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while chunk := client.recv(65536):
                self.flowing.wait()
                said = self.verdict(chunk)
                if said is True:
                    server.sendall(chunk)
                    continue
                self.cuts += 1
                if isinstance(said, bytes):
                    client.sendall(said)
                break
        _close(client)
        _close(server)

    def _downstream(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while chunk := server.recv(65536):
                self.flowing.wait()
                client.sendall(chunk)
        _close(client)
        _close(server)


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
