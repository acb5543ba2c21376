"""A server that is not what it should be, and remembers what it was told all the same."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

Answer = Callable[[socket.socket], bytes]


class Witness:
    """Listens on a port of its own and gives every connection to `answer`, each in a thread.

    Attributes:
        connections: how many there were.
        told: what `answer` returned: what a client entrusted to this server.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()[:2]
        self.connections = 0
        self.told: list[bytes] = []
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Witness:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):  # it may have ended by itself
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # ssl's errors are OSErrors
            if told := self._answer(connection):
                self.told.append(told)


def listening(connection: socket.socket) -> bytes:
    """Say nothing; return the first that the client says."""
    return connection.recv(65536)


def saying(words: bytes) -> Answer:
    """Return an answer that says this at once, then waits for the client to hang up."""

    def answer(connection: socket.socket) -> bytes:
        connection.sendall(words)
        told = b""
        while data := connection.recv(65536):
            told += data
        return told

    return answer


def behind_tls(context: ssl.SSLContext, answer: Answer = listening) -> Answer:
    """Return an answer that is given on an encrypted connection only."""

    def encrypted(connection: socket.socket) -> bytes:
        with context.wrap_socket(connection, server_side=True) as inside:
            return answer(inside)

    return encrypted
