"""Which messages a broker is too small for: it says so, or hangs up on them again and again.

One message that is too large must not keep the others from being sent. Belongs to the thread
that owns the connection.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

OVERHEAD_BYTES = 32  # of a PUBLISH, beside topic and payload
LARGE_BYTES = 4096  # smaller ones are taken everywhere
BLAMED_AFTER = 3  # connections in a row that ended while the message was on its way
TRIED_AGAIN_AFTER_S = 3600.0

log = logging.getLogger(__name__)


class PacketLimit:
    """What the broker of this device takes, as far as is known."""

    def __init__(self) -> None:
        self.announced_bytes: int | None = None  # in MQTT 5; others hang up without a word
        self._blamed: dict[str, int] = {}  # connections lost so, by topic
        self._left_out: dict[str, float] = {}  # until when, monotonic, by topic
        self._said: set[str] = set()

    def begin(
        self, announced_bytes: int | None, unsettled: Iterable[tuple[str, int]], now_s: float
    ) -> None:
        """Start over for a new connection.

        `unsettled` are topic and payload size, bytes, of what was on its way when the one
        before ended.
        """
        self.announced_bytes = announced_bytes
        for topic, size_bytes in unsettled:
            if size_bytes < LARGE_BYTES:
                continue
            self._blamed[topic] = self._blamed.get(topic, 0) + 1
            if self._blamed[topic] >= BLAMED_AFTER:
                self._left_out[topic] = now_s + TRIED_AGAIN_AFTER_S
                self._say(topic, size_bytes, "the broker hangs up on it, time after time")

    def allows(self, topic: str, size_bytes: int, now_s: float) -> bool:
        """Return whether a message may be sent; says once of each topic when it may not."""
        if now_s < self._left_out.get(topic, 0.0):
            return False
        if self.is_too_large(topic, size_bytes):
            self._say(topic, size_bytes, f"this broker takes {self.announced_bytes} bytes at most")
            return False
        return True

    def is_too_large(self, topic: str, size_bytes: int) -> bool:
        """Return whether the broker has announced that it does not take so much."""
        whole_bytes = len(topic) + size_bytes + OVERHEAD_BYTES
        return self.announced_bytes is not None and whole_bytes > self.announced_bytes

    def settled(self, topic: str) -> None:
        """Take that the broker has answered to a message."""
        if self._blamed:
            self._blamed.pop(topic, None)

    def _say(self, topic: str, size_bytes: int, why: str) -> None:
        if topic in self._said:
            return
        self._said.add(topic)
        remedy = "raise the broker's largest packet size"
        if topic.startswith("homeassistant/"):
            remedy += ", or set mqtt.home_assistant: false"
        log.error("MQTT: %s has %d bytes and is left out: %s; %s", topic, size_bytes, why, remedy)
