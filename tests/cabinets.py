"""A cabinet whose pictures a test decides, and what is told and kept of it."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.bundle import read_bundle, read_golden
from tests.broker import Mosquitto, Subscriber, eventually, retained
from tests.daemon import MODEL, RunningDaemon, write_yaml

DEVICE = "bench"
PREFIX = f"slotwatch/{DEVICE}"
GAP_PX = 20  # between the slots

Recorded = tuple[int, str, str]  # seq, slot, state


@dataclass(frozen=True)
class Drawn:
    """Pictures of every state that a cabinet of so many slots can be in.

    Attributes:
        frame_wh: the pictures' width and height in pixels.
        boxes: each slot's left, top, width and height in pixels.
        paths: the pictures; the slots are the digits of the index in base 2, A1 the first.
    """

    frame_wh: tuple[int, int]
    boxes: dict[str, list[int]]
    paths: tuple[Path, ...]

    def of(self, *occupied: str) -> Path:
        """Return the picture in which these slots are occupied and the others empty."""
        assert self.boxes.keys() >= set(occupied), f"there are {', '.join(self.boxes)}"
        digits = ("1" if slot in occupied else "0" for slot in self.boxes)
        return self.paths[int("".join(digits), 2)]


def draw_pictures(folder: Path, rows: int, columns: int) -> Drawn:
    """Draw slots with crops that the shipped model is sure of, empty and occupied."""
    golden = read_golden(read_bundle(MODEL))
    order = np.argsort(golden.probability)
    things = golden.crops_rgb[order[0]], golden.crops_rgb[order[-1]]
    side_px = things[0].shape[0]
    step_px = side_px + GAP_PX
    boxes = {
        f"{'ABCDEFGH'[row]}{column + 1}": [column * step_px, row * step_px, side_px, side_px]
        for row, column in itertools.product(range(rows), range(columns))
    }
    noise = np.random.default_rng(1)
    paths = []
    for states in itertools.product((0, 1), repeat=len(boxes)):
        # Around the slots a sensor's noise: lines that repeat are a torn picture.
        image_rgb = noise.integers(80, 100, (rows * step_px, columns * step_px, 3), dtype=np.uint8)
        # Bright bars between them: a reference needs edges to know the place by.
        for end_px in range(step_px, columns * step_px + 1, step_px):
            image_rgb[:, end_px - GAP_PX : end_px] += 100
        for (left_px, top_px, _, _), state in zip(boxes.values(), states, strict=True):
            image_rgb[top_px : top_px + side_px, left_px : left_px + side_px] = things[state]
        paths.append(folder / f"{len(paths):02d}.png")
        image_bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(paths[-1]), image_bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return Drawn((columns * step_px, rows * step_px), boxes, tuple(paths))


class DeviceFiles:
    """A device's settings and its folders.

    Attributes:
        pictures: the folder that the camera writes to, as one with FTP upload does.
        config: the settings, to be changed before `write`.
        slots: each slot's box, to be changed before `write`.
    """

    def __init__(self, folder: Path, host: str, port: int, drawn: Drawn, device: str) -> None:
        """`host` and `port` are the broker's."""
        self.pictures = folder / "pictures"
        self.pictures.mkdir()
        self.storage = folder / "state"
        self.config_path = folder / "config.yaml"
        self.slots_path = folder / "slots.yaml"
        self.frame_wh = drawn.frame_wh
        self.slots = dict(drawn.boxes)
        self.config: dict[str, Any] = {
            "device": device,
            "camera": {"source": "pictures", "every": "50ms", "stall_after": "60s"},
            "model": str(MODEL),
            "slots": "slots.yaml",
            "decision": {"confirm": 2},
            "mqtt": {"host": host, "port": port},
            "storage": "state",
        }
        self.write()

    def write(self) -> None:
        """Write both files anew."""
        write_yaml(self.slots_path, {"frame": list(self.frame_wh), "slots": self.slots})
        write_yaml(self.config_path, self.config)

    def journal(self) -> sqlite3.Connection:
        """Return a reading connection to the journal, also for while the daemon runs."""
        return sqlite3.connect(f"file:{self.storage}/journal.db?mode=ro", uri=True)


class Cabinet(DeviceFiles):
    """A device that sees what a test shows it."""

    def __init__(self, folder: Path, broker: Mosquitto, drawn: Drawn) -> None:
        super().__init__(folder, broker.host, broker.port, drawn, DEVICE)
        self._drawn = drawn
        self._numbers = itertools.count()

    def show(self, *occupied: str, frames: int = 2) -> dict[str, str]:
        """Have the camera see these slots occupied and the others empty; return the states."""
        drawn = self._drawn.of(*occupied)
        for _ in range(frames):
            # The same file under another name: whole from its first moment on.
            os.link(drawn, self.pictures / f"{next(self._numbers):06d}.png")
        return {slot: "OCCUPIED" if slot in occupied else "EMPTY" for slot in self._drawn.boxes}

    def recorded(self) -> list[Recorded]:
        """Return every event that the journal keeps."""
        return self._read("SELECT seq, slot, after FROM events ORDER BY seq")

    def waiting(self) -> int:
        """Return how many events wait for the broker."""
        return int(self._read("SELECT count(*) FROM events WHERE acknowledged = 0")[0][0])

    def _read(self, statement: str) -> list[Any]:
        with closing(self.journal()) as connection:
            return connection.execute(statement).fetchall()


def states(broker: Mosquitto) -> dict[str, str]:
    """Return the retained state of each slot."""
    return {slot: payload["state"] for slot, payload in slots(broker).items()}


def slots(broker: Mosquitto) -> dict[str, Mapping[str, Any]]:
    """Return the retained payload of each slot."""
    return {
        topic.rpartition("/")[2]: json.loads(payload)
        for topic, payload in retained(broker, f"{PREFIX}/slots/+").items()
    }


def wait_for(
    broker: Mosquitto, daemon: RunningDaemon, wanted: Mapping[str, str], within_s: float = 15.0
) -> None:
    """Return as soon as these are the retained states."""
    eventually(
        lambda: states(broker) == wanted, within_s, lambda: f"{states(broker)}\n{daemon.log()}"
    )


def events(listener: Subscriber) -> list[dict[str, Any]]:
    """Return every event that a subscriber was sent."""
    return [json.loads(payload) for payload in listener.of(f"{PREFIX}/events")]


def heard(listener: Subscriber) -> list[Recorded]:
    """Return the same as `Cabinet.recorded` has it."""
    return [(event["seq"], event["slot"], event["after"]) for event in events(listener)]
