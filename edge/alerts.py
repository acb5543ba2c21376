"""Alerts and their way to every sink.

Used by the main thread and the inference thread; each class says what it shares.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from edge.sinks import Sink
from edge.types import Alert, utc_now

log = logging.getLogger(__name__)


class Fanout:
    """Hands everything to every sink; one that fails is logged, the others go on."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)
        self._failing: set[int] = set()

    def each(self, call: Callable[[Sink], None]) -> None:
        """Call every sink behind a fence."""
        for index, sink in enumerate(self._sinks):
            try:
                call(sink)
            except Exception:
                if index not in self._failing:
                    self._failing.add(index)
                    log.exception("%s failed; it is tried again", type(sink).__name__)
            else:
                self._failing.discard(index)


class Alerts:
    """What a person should look at; one alert may have several causes. Used by two threads."""

    def __init__(self, sinks: Fanout) -> None:
        self._sinks = sinks
        self._lock = threading.Lock()
        self._active: dict[str, dict[str, Alert]] = {}

    def begin(self, alert_id: str, message: str, cause: str = "") -> None:
        """Raise an alert, or renew its message; a fault is logged once, when it begins."""
        with self._lock:
            causes = self._active.setdefault(alert_id, {})
            known = causes.get(cause)
            if known is not None and known.message == message:
                return
            alert = Alert(alert_id, message, known.since if known else utc_now())
            causes[cause] = alert
            log.warning("%s: %s", alert_id, message)
            self._sinks.each(lambda sink: sink.alert(alert))

    def end(self, alert_id: str, cause: str = "") -> None:
        """End an alert, unless another cause of it remains."""
        with self._lock:
            causes = self._active.get(alert_id, {})
            if causes.pop(cause, None) is None:
                return
            if causes:
                remaining = next(iter(causes.values()))
                self._sinks.each(lambda sink: sink.alert(remaining))
                return
            del self._active[alert_id]
            log.warning("%s: over", alert_id)
            self._sinks.each(lambda sink: sink.end_alert(alert_id))

    def active(self) -> tuple[str, ...]:
        """Return the ids of the alerts that last."""
        with self._lock:
            return tuple(self._active)
