"""Events as lines of JSON, one per event, the same objects as on `P/events`.

Called from the daemon's threads; every line is handed to the system at once. A file is
bounded: beyond 64 MiB it becomes `<name>.1` (replacing an older one) and a new one
begins, so that both together stay below 128 MiB. Rotating from outside works too, by
copying and truncating.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from edge.sinks.payloads import encode, event_payload
from edge.types import Alert, SlotMemory, Transition

MAX_BYTES = 64 * 1024 * 1024  # about half a million events

log = logging.getLogger(__name__)


class JsonLinesSink:
    """Appends every event to a file, or writes it to an open text stream.

    The file is made with its folder when the first event comes. A disk that does not
    take an event (full, read-only, gone) is logged once when that begins and once when
    it ends; events in between are missing here, never half written.
    """

    def __init__(self, target: Path | TextIO, max_bytes: int = MAX_BYTES) -> None:
        self._target = target
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._missing = 0  # events not written since the fault began

    def start(self) -> None:
        """Nothing to begin: the file is opened for each event, which survives its removal."""

    def transition(self, transition: Transition) -> None:
        """Append one event."""
        line = encode(event_payload(transition)) + b"\n"
        with self._lock:
            try:
                self._write(line)
            except OSError as error:
                if self._missing == 0:
                    log.warning(
                        "%s: events cannot be written (%s); free space or correct `jsonl`; "
                        "the events themselves are not lost where MQTT is on",
                        self._target,
                        error,
                    )
                self._missing += 1
                return
            if self._missing:
                log.warning("%s: written again; %d events are missing", self._target, self._missing)
                self._missing = 0

    def slot(self, slot_id: str, memory: SlotMemory) -> None:
        """Not an event."""

    def forget_slot(self, slot_id: str) -> None:
        """Not an event."""

    def alert(self, alert: Alert) -> None:
        """Not an event."""

    def end_alert(self, alert_id: str) -> None:
        """Not an event."""

    def info(self, info: Mapping[str, Any]) -> None:
        """Not an event."""

    def health(self, health: Mapping[str, Any]) -> None:
        """Not an event."""

    def retire(self) -> None:
        """Nothing: lines that were written stay written."""

    def close(self, timeout_s: float = 5.0) -> None:
        """Nothing is left to send; a stream stays open, it belongs to the caller."""

    def _write(self, line: bytes) -> None:
        if not isinstance(self._target, Path):
            self._target.write(line.decode())
            self._target.flush()
            return
        self._target.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            size = os.fstat(file).st_size
            written = os.write(file, line)
            if written < len(line):
                # A disk that fills up takes the first part of a line.
                os.ftruncate(file, size)
                raise OSError("no space left for the whole line")
        finally:
            os.close(file)
        if size + written >= self._max_bytes:
            self._target.replace(self._target.with_name(f"{self._target.name}.1"))
