"""How long a daemon takes from its start to its first states, and how much memory it has then.

A real daemon is started against a broker of its own, with an empty journal. Instead of the
simulator, whose cabinet takes seconds to build, it watches pictures of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import paho.mqtt.client as mqtt
import yaml
from paho.mqtt.enums import CallbackAPIVersion

from edge.cameras import CameraError, camera_kind, open_camera
from edge.demo_broker import start_broker
from edge.health import resident_bytes
from edge.measure.memory import distinct_bytes
from edge.types import Frame, Settings, SlotwatchError

DEADLINE_S = 60.0


@dataclass(frozen=True)
class Start:
    """One start of a daemon."""

    first_retained_s: float
    first_confirmed_s: float
    memory_mb: float  # the daemon and the camera's process, a page that they share once
    resident_mb: float  # the sum of their resident sizes, a page that they share twice
    daemon_resident_mb: float
    broker: str


def measure_start(settings: Settings) -> Start:
    """Return what one start takes.

    Raises:
        SlotwatchError: the daemon published no state; with its last words.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slotwatch-bench-")))
        broker = stack.enter_context(start_broker("auto"))
        config_path = folder / "config.yaml"
        config_path.write_text(_config_for(settings, folder, broker.port), "utf-8")
        waiter = stack.enter_context(_Waiter(broker.host, broker.port, settings))
        start_s = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", "run", "--config", str(config_path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            first_s = waiter.wait_first(process) - start_s
            confirmed_s = waiter.wait_confirmed(process) - start_s
            pids = [process.pid, *_children(process.pid)]
            return Start(
                first_s,
                confirmed_s,
                distinct_bytes(pids) / 1e6,
                sum(resident_bytes(pid) for pid in pids) / 1e6,
                resident_bytes(process.pid) / 1e6,
                broker.kind,
            )
        finally:
            process.terminate()
            process.communicate()


def _config_for(settings: Settings, folder: Path, port: int) -> str:
    """Return the settings' own file, its camera, broker and storage replaced."""
    document: dict[str, Any] = yaml.safe_load(settings.config_path.read_text("utf-8-sig"))
    document |= {
        "model": str(settings.model.resolve()),
        "slots": str(settings.slots_path.resolve()),
        "storage": str(folder / "storage"),
        "mqtt": {"host": "127.0.0.1", "port": port},
    }
    document["camera"]["source"] = settings.camera.source
    if camera_kind(settings.camera.source) == "simulator":
        document["camera"]["source"] = str(_record(settings, folder / "pictures"))
    document.pop("jsonl", None)
    return json.dumps(document)


def _record(settings: Settings, pictures: Path) -> Path:
    """Write some of the camera's frames into a folder, which a daemon can watch."""
    pictures.mkdir()
    for frame in _frames(settings, 2 * settings.decision.confirm):
        image_bgr = cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(pictures / f"{frame.sequence:04d}.jpg"), image_bgr)
    return pictures


def _frames(settings: Settings, count: int) -> list[Frame]:
    camera = open_camera(settings.camera, once=True)
    try:
        frames = [frame for _ in range(count) if (frame := camera.read()) is not None]
    finally:
        camera.close()
    if not frames:
        raise CameraError(f"{settings.camera.source}: no picture in it")
    return frames


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


class _Waiter:
    """Notes when the first retained state, and when the first confirmed one, arrives."""

    def __init__(self, host: str, port: int, settings: Settings) -> None:
        self._first = threading.Event()
        self._confirmed = threading.Event()
        self._times: dict[str, float] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self._client.on_message = self._on_message
        self._client.connect(host, port)
        self._client.subscribe(f"slotwatch/{settings.device}/slots/+", qos=1)

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        now_s = time.monotonic()
        self._times.setdefault("first", now_s)
        self._first.set()
        if json.loads(message.payload)["state"] != "UNKNOWN":
            self._times.setdefault("confirmed", now_s)
            self._confirmed.set()

    def __enter__(self) -> _Waiter:
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_first(self, process: subprocess.Popen[bytes]) -> float:
        """Return when the first retained state came, monotonic seconds."""
        return self._wait(self._first, "first", process)

    def wait_confirmed(self, process: subprocess.Popen[bytes]) -> float:
        """Return when the first state other than UNKNOWN came, monotonic seconds."""
        return self._wait(self._confirmed, "confirmed", process)

    def _wait(self, event: threading.Event, name: str, process: subprocess.Popen[bytes]) -> float:
        deadline_s = time.monotonic() + DEADLINE_S
        while not event.wait(0.2):
            if process.poll() is not None or time.monotonic() > deadline_s:
                process.kill()
                error = process.communicate()[1].decode("utf-8", "replace")
                raise SlotwatchError(f"the daemon published no {name} state:\n{error[-2000:]}")
        return self._times[name]
