"""Where requests wait for the thread that answers them: few, and not for ever.

The MQTT thread submits; the inference thread and the main thread take what is theirs.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.requests import Request, RequestRefused

MOST_WAITING = 8
CLOSED = "the device stops, or starts over with other settings; ask again"
# Requests of one kind: so many at once, and then one every so many seconds.
BURST = 4
PACES_S: Mapping[str, float] = {
    "snapshot": 1.0,
    "recheck": 1.0,
    "reload": 1.0,
    "rebirth": 5.0,
    "reference": 5.0,
    "events": 0.1,  # a consumer asks for page after page
}

Reply = Callable[[Mapping[str, Any] | None, str | None], None]  # takes the data, or an error


@dataclass(frozen=True, eq=False)
class Waiting:
    """A request, and the way back to whoever asked."""

    request: Request
    reply: Reply  # to be called once, from any thread
    since_s: float  # monotonic


class Desk:
    """The requests that one thread answers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Waiting] = []
        self._wake: Callable[[], None] = lambda: None
        self._is_closed = False

    def notify(self, wake: Callable[[], None]) -> None:
        """Call this, from the submitting thread, from now on when there is a new request."""
        self._wake = wake

    def submit(self, request: Request, reply: Reply) -> None:
        """Put a request on the desk.

        Raises:
            RequestRefused: too many wait, or nobody is there any more.
        """
        with self._lock:
            if self._is_closed:
                raise RequestRefused(CLOSED)
            if len(self._waiting) >= MOST_WAITING:
                raise RequestRefused("busy: too many requests wait; ask again in 5 s")
            self._waiting.append(Waiting(request, reply, time.monotonic()))
        self._wake()

    def take(self, where: Callable[[Waiting], bool] = lambda _: True) -> list[Waiting]:
        """Return what waits, or those of it; the caller answers each."""
        with self._lock:
            taken = [waiting for waiting in self._waiting if where(waiting)]
            self._waiting = [waiting for waiting in self._waiting if waiting not in taken]
        return taken

    def close(self) -> None:
        """Refuse what waits, and whatever comes from now on."""
        with self._lock:
            self._is_closed = True
        for waiting in self.take():
            waiting.reply(None, CLOSED)

    def is_empty(self) -> bool:
        """Return whether nothing waits."""
        return not self._waiting


class Allowance:
    """How often each kind of request is worked on: a token bucket per command."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._tokens: dict[str, tuple[float, float]] = {}  # left, as of when

    def admit(self, command: str) -> None:
        """Take that a request is about to be worked on.

        Raises:
            RequestRefused: there were too many lately.
        """
        now_s, pace_s = self._clock_s(), PACES_S[command]
        left, then_s = self._tokens.get(command, (float(BURST), now_s))
        left = min(float(BURST), left + (now_s - then_s) / pace_s)
        if left < 1:
            self._tokens[command] = (left, now_s)
            wait_s = max(1, math.ceil((1 - left) * pace_s))
            raise RequestRefused(f"busy: too many {command} requests; ask again in {wait_s} s")
        self._tokens[command] = (left - 1, now_s)
