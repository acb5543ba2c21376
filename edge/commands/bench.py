"""`slotwatch bench`: what a slot, a frame and a start cost on this device.

Machines are noisy, so the figures that count are ratios of two things measured in turn
in the same run: the whole way of a slot (crop, inference, decision) beside the bare
interpreter on the same crop.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import paho.mqtt.client as mqtt
import yaml
from paho.mqtt.enums import CallbackAPIVersion

from edge.bundle import read_bundle
from edge.cameras import CameraError, camera_kind, open_camera
from edge.classifier import open_classifier
from edge.commands import Progress, add_config_argument
from edge.demo_broker import start_broker
from edge.health import resident_bytes
from edge.inference import build_pipeline
from edge.preprocess import crop_slot, scale_slots
from edge.settings import read_settings
from edge.types import Frame, ImageRGB, Settings, SlotwatchError

# What a change must not exceed; printed beside the figures.
LIMIT_RATIO = 1.15
LIMIT_START_S = 2.0
LIMIT_MEMORY_MB = 200.0
START_DEADLINE_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_config_argument(parser)
    parser.add_argument(
        "--rounds", type=_count, default=60, metavar="N", help="frames measured (default: 60)"
    )
    parser.add_argument(
        "--threads", type=_count, default=1, metavar="N", help="interpreter threads (default: 1)"
    )
    parser.add_argument(
        "--no-start", action="store_true", help="leave out the start and memory of a real daemon"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def _count(text: str) -> int:
    """Return a number of things, at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; return 1 when a limit is exceeded."""
    settings = read_settings(arguments.config)
    figures = measure_frames(settings, max(4, arguments.rounds), arguments.threads)
    if not arguments.no_start:
        figures |= measure_start(settings)
    if arguments.json:
        print(json.dumps(figures))
    else:
        print(_table(figures))
    return 0 if _is_within_limits(figures) else 1


def measure_frames(settings: Settings, rounds: int, threads: int) -> dict[str, Any]:
    """Return the milliseconds of a slot, whole and bare, measured in turn on real frames."""
    bundle = read_bundle(settings.model)
    classifier = open_classifier(bundle, threads)
    slots = [slot for slot in settings.slots if slot.enabled]
    frames = _frames(settings)
    crop = _first_crop(frames[0], settings, bundle.input_size_px)
    pipeline = build_pipeline(settings, classifier)
    whole_ms, bare_ms, ratios = [], [], []
    progress = Progress("round", rounds)
    for index in range(rounds + 2):
        frame = frames[index % len(frames)]
        start_s = time.perf_counter()
        result = pipeline.process(frame)
        pipeline.commit(result.changes)
        cost_s = time.perf_counter() - start_s
        invoke = classifier.bare_invoke(crop)
        middle_s = time.perf_counter()
        for _ in slots:
            invoke()
        end_s = time.perf_counter()
        if index < 2:  # plans, caches
            continue
        whole_ms.append(1000 * cost_s / len(slots))
        bare_ms.append(1000 * (end_s - middle_s) / len(slots))
        ratios.append(whole_ms[-1] / bare_ms[-1])
        progress.advance()
    progress.close()
    whole = statistics.median(whole_ms)
    return {
        "slots": len(slots),
        "model": bundle.name,
        "runtime": classifier.runtime,
        "threads": threads,
        "ms_per_slot": round(whole, 4),
        "ms_per_slot_bare": round(statistics.median(bare_ms), 4),
        "ratio": round(statistics.median(ratios), 4),
        "ms_per_frame": round(whole * len(slots), 2),
        "cpu_s_per_minute": round(whole * len(slots) * 60 / settings.camera.every_s / 1000, 2),
    }


def _first_crop(frame: Frame, settings: Settings, size_px: int) -> ImageRGB:
    """Return the first slot's crop: a real input for the bare interpreter."""
    height_px, width_px = frame.image_rgb.shape[:2]
    slot = scale_slots(settings.slots[:1], settings.frame_wh, (width_px, height_px))[0]
    return crop_slot(frame, slot, size_px).image_rgb


def _frames(settings: Settings, count: int = 4) -> list[Frame]:
    camera = open_camera(settings.camera, once=True)
    try:
        frames = [frame for _ in range(count) if (frame := camera.read()) is not None]
    finally:
        camera.close()
    if not frames:
        raise CameraError(f"{settings.camera.source}: no picture in it")
    return frames


def measure_start(settings: Settings) -> dict[str, Any]:
    """Return the seconds from a daemon's start to its first states, and its memory.

    A real daemon is started against a broker of its own, with an empty journal. Instead
    of the simulator, whose cabinet takes seconds to build, it watches pictures of it.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slotwatch-bench-")))
        broker = stack.enter_context(start_broker("auto"))
        config_path = folder / "config.yaml"
        config_path.write_text(_bench_config(settings, folder, broker.port), "utf-8")
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
            memory_mb = sum(resident_bytes(pid) for pid in pids) / 1e6
            daemon_mb = resident_bytes(process.pid) / 1e6
        finally:
            process.terminate()
            process.communicate()
    return {
        "start_to_first_retained_s": round(first_s, 2),
        "start_to_confirmed_s": round(confirmed_s, 2),
        "memory_mb": round(memory_mb, 1),
        "memory_daemon_mb": round(daemon_mb, 1),
        "broker": broker.kind,
    }


def _bench_config(settings: Settings, folder: Path, port: int) -> str:
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
        deadline_s = time.monotonic() + START_DEADLINE_S
        while not event.wait(0.2):
            if process.poll() is not None or time.monotonic() > deadline_s:
                process.kill()
                error = process.communicate()[1].decode("utf-8", "replace")
                raise SlotwatchError(f"the daemon published no {name} state:\n{error[-2000:]}")
        return self._times[name]


def _is_within_limits(figures: Mapping[str, Any]) -> bool:
    return bool(
        figures["ratio"] <= LIMIT_RATIO
        and figures.get("start_to_first_retained_s", 0.0) <= LIMIT_START_S
        and figures.get("memory_mb", 0.0) <= LIMIT_MEMORY_MB
    )


def _table(figures: Mapping[str, Any]) -> str:
    rows = [
        ("slots", f"{figures['slots']}", ""),
        (
            "model",
            f"{figures['model']} on {figures['runtime']}, {figures['threads']} thread(s)",
            "",
        ),
        ("crop + inference + decision", f"{figures['ms_per_slot']:.3f} ms per slot", ""),
        ("bare interpreter, same run", f"{figures['ms_per_slot_bare']:.3f} ms per slot", ""),
        ("ratio", f"{figures['ratio']:.3f}", f"limit {LIMIT_RATIO}"),
        ("one frame", f"{figures['ms_per_frame']:.1f} ms", ""),
        ("one minute of watching", f"{figures['cpu_s_per_minute']:.1f} s of one core", ""),
    ]
    if "memory_mb" in figures:
        rows += [
            (
                "start to first retained state",
                f"{figures['start_to_first_retained_s']:.2f} s",
                f"limit {LIMIT_START_S:g} s",
            ),
            ("start to first confirmed state", f"{figures['start_to_confirmed_s']:.2f} s", ""),
            (
                "memory, camera process included",
                f"{figures['memory_mb']:.0f} MB",
                f"limit {LIMIT_MEMORY_MB:g} MB",
            ),
            ("memory of the daemon alone", f"{figures['memory_daemon_mb']:.0f} MB", ""),
        ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(
        f"{name:<{widths[0]}}  {value:<{widths[1]}}  {limit}".rstrip()
        for name, value, limit in rows
    )
