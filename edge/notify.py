"""systemd READY / STATUS / WATCHDOG, see sd_notify(3).

Used by the main thread. Without systemd ($NOTIFY_SOCKET is not set) nothing is sent.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


class Notifier:
    """Tells systemd how the service is doing; never raises and never waits."""

    def __init__(self, socket_path: str | None) -> None:
        """Take the value of $NOTIFY_SOCKET: a path, `@name` for an abstract socket, or None."""
        self._address = _address(socket_path) if socket_path else None
        self._is_failing = False
        self._socket: socket.socket | None = None
        if self._address is not None:
            self._socket = socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            )

    def ready(self) -> None:
        """Say that the service does its work."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Say in one line what the service is doing; `systemctl status` shows it."""
        self._send("STATUS=" + " ".join(text.split()))

    def watchdog(self) -> None:
        """Say that the service is alive; without it for WatchdogSec systemd kills it."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the service ends on purpose."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Release the socket; more calls do nothing."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is None or self._address is None:
            return
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:
            # A message systemd does not get is no reason to stop watching the cabinet; when
            # it is WATCHDOG=1 that goes missing, systemd draws its own conclusion.
            if not self._is_failing:
                log.warning("systemd cannot be told %s: %s", message.partition("=")[0], error)
            self._is_failing = True
        else:
            self._is_failing = False


def _address(socket_path: str) -> str | bytes:
    """Return the address in Python's form: the `@` of an abstract socket is a zero byte."""
    if socket_path.startswith("@"):
        return b"\0" + os.fsencode(socket_path[1:])
    return socket_path


def watchdog_interval_s(environ: Mapping[str, str], process_id: int | None = None) -> float | None:
    """Return the longest silence in seconds that systemd's watchdog bears, None for any.

    Call `Notifier.watchdog` at least twice as often. `process_id` is this process's own,
    unless given: $WATCHDOG_PID may name another one.
    """
    own_id = os.getpid() if process_id is None else process_id
    try:
        allowed_s = int(environ["WATCHDOG_USEC"]) / 1e6
        watched_id = int(environ.get("WATCHDOG_PID", own_id))
    except (KeyError, ValueError):
        return None
    return allowed_s if allowed_s > 0 and watched_id == own_id else None
