"""A device as the network sees it: the real MQTT sink, without a camera behind it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from edge.journal import Journal
from edge.sinks.mqtt import MqttSink
from edge.types import SlotMemory, State, Transition, utc_now

DEVICE = "cabinet-a"


class Device:
    """A started sink and its journal, in memory."""

    def __init__(self, host: str, port: int, **options: Any) -> None:
        self.journal = Journal(None)
        self.sink = MqttSink(
            device=options.pop("device", DEVICE),
            host=host,
            port=port,
            journal=self.journal,
            **options,
        )
        for slot_id in ("A1", "A2"):
            self.sink.slot(slot_id, SlotMemory(State.EMPTY, None, utc_now(), 0.0312))
        self.sink.start()

    def change(self, slot_id: str = "A1", at: datetime | None = None) -> int:
        """Let a slot become occupied; return the event's seq."""
        return change(self.sink, self.journal, slot_id, at)

    def close(self) -> None:
        """End it, as soon as it can."""
        self.sink.close(timeout_s=2.0)
        self.journal.close()


@contextmanager
def device(host: str, port: int, **options: Any) -> Iterator[Device]:
    """Yield a device, closed afterwards; the options are those of `MqttSink`."""
    opened = Device(host, port, **options)
    try:
        yield opened
    finally:
        opened.close()


def change(
    sink: MqttSink, journal: Journal, slot_id: str = "A1", at: datetime | None = None
) -> int:
    """Let a slot become occupied, as the daemon does it; return the event's seq."""
    at = at or utc_now()
    transition = Transition(slot_id, State.EMPTY, State.OCCUPIED, 0.97, None, at)
    memory = SlotMemory(State.OCCUPIED, None, at, 0.97, State.OCCUPIED)
    [(transition, memory)] = journal.record([(transition, memory)])
    sink.transition(transition)
    sink.slot(slot_id, memory)
    return transition.seq


def said(log: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    """Return what the program logged, at this level or above."""
    return [
        record.getMessage()
        for record in log.records
        if record.name.startswith("edge.") and record.levelno >= level
    ]
