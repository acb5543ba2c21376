"""One cabinet of six slots that shows what a test wants, and its real daemon."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.broker import Mosquitto, Subscriber, retained
from tests.chaos.device import SLOTS, boxes, frame_wh
from tests.daemon import MODEL, write_yaml

PREFIX = "slotwatch/watched"
ALERT = f"{PREFIX}/alerts/storage_full"


class Watched:
    """The files of a device; `pictures` is the folder that its camera writes to."""

    def __init__(self, folder: Path, broker: Mosquitto, drawn: Sequence[Path]) -> None:
        """`drawn` are the pictures of `tests.chaos.device.draw_pictures`."""
        self.storage = folder / "state"
        self.storage.mkdir()
        self.config_path = folder / "config.yaml"
        self._broker = broker
        self._drawn = drawn
        self._pictures = folder / "pictures"
        self._pictures.mkdir()
        self._numbers = itertools.count()
        write_yaml(folder / "slots.yaml", {"frame": list(frame_wh()), "slots": boxes()})
        write_yaml(
            self.config_path,
            {
                "device": PREFIX.partition("/")[2],
                "camera": {"source": "pictures", "every": "50ms", "stall_after": "60s"},
                "model": str(MODEL),
                "slots": "slots.yaml",
                "decision": {"confirm": 2},
                "mqtt": {"host": broker.host, "port": broker.port},
                "storage": "state",
            },
        )

    def show(self, *occupied: str, frames: int = 3) -> dict[str, str]:
        """Have the camera see these slots occupied and the others empty; return the states."""
        index = sum(1 << place for place, slot in enumerate(reversed(SLOTS)) if slot in occupied)
        for _ in range(frames):
            # The same file under another name: whole from its first moment on.
            os.link(self._drawn[index], self._pictures / f"{next(self._numbers):08d}.png")
        return {slot: "OCCUPIED" if slot in occupied else "EMPTY" for slot in SLOTS}

    def retained(self) -> dict[str, bytes]:
        """Return what a late subscriber is told."""
        return retained(self._broker, f"{PREFIX}/#")

    def slots(self) -> dict[str, dict[str, Any]]:
        """Return the retained payload of each slot."""
        found = self.retained()
        return {slot: json.loads(found.get(f"{PREFIX}/slots/{slot}", b"{}")) for slot in SLOTS}

    def states(self) -> dict[str, str]:
        """Return the retained state of each slot."""
        return {slot: payload.get("state", "") for slot, payload in self.slots().items()}

    def recorded(self) -> list[tuple[int, str, str]]:
        """Return seq, slot and state of every event that the journal keeps."""
        return self._read("SELECT seq, slot, after FROM events ORDER BY seq")

    def waiting(self) -> int:
        """Return how many events wait for the broker."""
        return int(self._read("SELECT count(*) FROM events WHERE acknowledged = 0")[0][0])

    def _read(self, statement: str) -> list[Any]:
        path = f"file:{self.storage}/journal.db?mode=ro"
        with closing(sqlite3.connect(path, uri=True)) as connection:
            return connection.execute(statement).fetchall()


def heard(listener: Subscriber) -> list[tuple[int, str, str]]:
    """Return seq, slot and state of every event that a subscriber was sent."""
    events = map(json.loads, listener.of(f"{PREFIX}/events"))
    return [(event["seq"], event["slot"], event["after"]) for event in events]
