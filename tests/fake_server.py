"""A server that is not what it should be, and remembers what it was told all the same."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

# What a client entrusted to the server, if that is of interest.
Answer = Callable[[socket.socket], bytes | None]


class FakeServer:
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

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(10)

    def hang_up(self) -> None:
        """End every connection."""
        for connection in self._open:
            with suppress(OSError):  # it may have ended by itself
                connection.shutdown(socket.SHUT_RDWR)

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


def relay(connection: socket.socket, host: str, port: int, begin: bytes = b"") -> None:
    """Hand everything to another server, first these bytes, and back; return when one hangs up."""
    with socket.create_connection((host, port)) as upstream:
        upstream.sendall(begin)
        back = threading.Thread(target=_copy, args=(upstream, connection), daemon=True)
        back.start()
        _copy(connection, upstream)
        back.join(5)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for side in (source, target):
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)


def behind_tls(context: ssl.SSLContext, answer: Answer = listening) -> Answer:
    """Return an answer that is given on an encrypted connection only."""

    def encrypted(connection: socket.socket) -> bytes:
        with context.wrap_socket(connection, server_side=True) as inside:
            return answer(inside)

    return encrypted
