"""Sinks: everywhere the states and events go, behind one small protocol.

Every method is called from the daemon's own threads, returns at once and never raises
for what a network or a disk does: a sink that fails must not stop the cabinet's watch.
A new kind of sink is a file here and a line in `build_sinks` of `edge.parts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from edge.types import Alert, SlotMemory, Transition


class Sink(Protocol):
    """One consumer of what the daemon knows."""

    def start(self) -> None:
        """Begin; connections are made in the background."""

    def slot(self, slot_id: str, memory: SlotMemory) -> None:
        """Take a slot's newest confirmed state (also when nothing but its reason changed)."""

    def forget_slot(self, slot_id: str) -> None:
        """Take that a slot was removed or renamed: nothing of it may remain."""

    def transition(self, transition: Transition) -> None:
        """Take one recorded event; called in the order of `seq`."""

    def alert(self, alert: Alert) -> None:
        """Take an alert that began, or whose message changed."""

    def end_alert(self, alert_id: str) -> None:
        """Take that an alert is over."""

    def info(self, info: Mapping[str, Any]) -> None:
        """Take what the device is and runs (JSON-ready), at start and after a reload."""

    def health(self, health: Mapping[str, Any]) -> None:
        """Take how the device is doing (JSON-ready)."""

    def retire(self) -> None:
        """Take that this device's name is given up: after `close`, nothing of it may remain."""

    def close(self, timeout_s: float = 5.0) -> None:
        """Say that the device stops on purpose, send what is left, and end."""
