"""How long a change takes to reach a subscriber: of one slot, or of all at once.

The daemon's own parts run here as in the daemon: camera process, inference thread, journal,
MQTT sink, against a real broker. The pictures are drawn from the bundle's golden crops, the
surest EMPTY and OCCUPIED ones, so that with each frame one slot changes its state, or every one.

The time of a frame begins when the inference thread has it in hand, that is, when
`CameraProcess.next_frame` returns it, and ends when the callback of a subscriber in a process
of its own was called for the last changed slot's retained topic.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np

from edge.alerts import Alerts, Fanout
from edge.bundle import Golden, read_bundle, read_golden
from edge.cameras.process import CameraProcess
from edge.demo_broker import start_broker
from edge.health import Health
from edge.inference import InferenceThread
from edge.measure.cost import one_by_one
from edge.measure.subscriber import READY, Receipt
from edge.parts import build_parts
from edge.preprocess import rectangle_polygon
from edge.types import (
    CameraSettings,
    DecisionSettings,
    Frame,
    ImageRGB,
    MqttSettings,
    Settings,
    Slot,
    SlotwatchError,
    rfc3339,
)

GRID = 8  # rows, and columns
CELL_WH = (160, 120)
ALLOWANCE_RATIO = 1.25  # of bare inferences
ALLOWANCE_MS = 10.0
# Between frames, so that one is done before the next comes even on a busy machine.
PAUSE_RATIO = 4.0
FRAMES = 100  # the 99th percentile of fewer is the slowest
LEAST_PAUSE_S = 0.5
DEADLINE_S = 30.0  # beyond the time that the frames take
_CROPS_PER_STATE = 4
# The times in the pictures' names. So far apart nothing takes one for something in front of slots.
_FIRST_AT = datetime(2026, 1, 1, tzinfo=UTC)
_STEP = timedelta(minutes=1)


@dataclass(frozen=True)
class Delivery:
    """How long frames took to their subscriber."""

    slots: int
    changing: int  # of them with every frame
    frames: int
    bare_ms: float  # one bare inference, measured before and after
    median_ms: float
    p99_ms: float
    limit_ms: float
    broker: str


class UploadingCamera(CameraProcess):
    """A camera that uploads a picture when it is asked for one, and notes when they are taken.

    Not all at once: a folder of which pictures have waited for long is not read one by one.
    """

    def __init__(
        self, settings: CameraSettings, pictures: Sequence[Path], advance: Callable[[], None]
    ) -> None:
        """Prepare to move these pictures, in order, into the folder that `settings` name."""
        super().__init__(settings)
        self._advance = advance
        self._folder = Path(settings.source)
        self._pictures = pictures
        self._uploaded = 0
        self.handed_s: dict[str, float] = {}  # monotonic, by the frame's time as payloads have it

    def next_frame(self, timeout_s: float) -> Frame | None:
        """Return a frame like any camera's process."""
        if len(self.handed_s) == self._uploaded < len(self._pictures):
            picture = self._pictures[self._uploaded]
            picture.rename(self._folder / picture.name)
            self._uploaded += 1
        frame = super().next_frame(timeout_s)
        if frame is not None:
            self._advance()
            self.handed_s[rfc3339(frame.captured_at)] = time.monotonic()
        return frame


def measure_delivery(
    model: Path, frames: int, is_one: bool = False, advance: Callable[[], None] = lambda: None
) -> Delivery:
    """Return how long so many frames took, beside the limit that this machine's inference sets.

    With `is_one` one slot changes from frame to frame, another one each time; else all do.
    `advance` is called with each frame.

    Raises:
        SlotwatchError: not every change came.
    """
    slots = grid_slots()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slotwatch-bench-")))
        broker = stack.enter_context(start_broker("auto"))
        bundle = read_bundle(model)
        golden = read_golden(bundle)
        bare = one_by_one(bundle, golden.crops_rgb[0])
        bare_before_ms = _bare_ms(bare, len(slots))
        settings = Settings(
            device="bench",
            camera=CameraSettings(
                str(folder / "pictures"),
                every_s=max(LEAST_PAUSE_S, PAUSE_RATIO * len(slots) * bare_before_ms / 1000),
            ),
            slots=slots,
            frame_wh=(GRID * CELL_WH[0], GRID * CELL_WH[1]),
            model=model,
            slots_path=folder / "slots.yaml",
            config_path=folder / "config.yaml",
            storage=folder / "storage",
            decision=DecisionSettings(confirm=1),
            mqtt=MqttSettings(host=broker.host, port=broker.port),
        )
        # The first picture warms up.
        pictures = _write_pictures(folder / "drawn", golden, frames + 1, is_one)
        (folder / "pictures").mkdir()
        changes = [len(slots), *[1 if is_one else len(slots)] * frames]
        camera = UploadingCamera(settings.camera, pictures, advance)
        receipts = _watch(settings, camera, changes)
        bare_ms = statistics.median([bare_before_ms, _bare_ms(bare, len(slots))])
    delays_ms = sorted(frame_delays_ms(camera.handed_s, receipts, changes)[1:])
    return Delivery(
        len(slots),
        changes[-1],
        len(delays_ms),
        bare_ms,
        statistics.median(delays_ms),
        delays_ms[math.ceil(0.99 * len(delays_ms)) - 1],
        ALLOWANCE_RATIO * len(slots) * bare_ms + ALLOWANCE_MS,
        broker.kind,
    )


def grid_slots() -> tuple[Slot, ...]:
    """Return slots that fill the drawn pictures."""
    width_px, height_px = CELL_WH
    return tuple(
        Slot(
            f"{chr(ord('A') + row)}{column + 1}",
            rectangle_polygon(column * width_px, row * height_px, width_px, height_px),
        )
        for row in range(GRID)
        for column in range(GRID)
    )


def draw_cabinet(golden: Golden, occupied: Collection[int]) -> ImageRGB:
    """Return a picture whose slots of these numbers hold a thing, and no others.

    RGB uint8; each cell is one of the golden crops that the model is surest of.
    """
    order = np.argsort(golden.probability.ravel())
    empty, full = order[:_CROPS_PER_STATE], order[-_CROPS_PER_STATE:]
    rows = []
    for row in range(GRID):
        cells = []
        for column in range(GRID):
            surest = full if row * GRID + column in occupied else empty
            crop_rgb = golden.crops_rgb[surest[(row + column) % _CROPS_PER_STATE]]
            cells.append(cv2.resize(crop_rgb, CELL_WH, interpolation=cv2.INTER_AREA))
        rows.append(np.hstack(cells))
    return np.vstack(rows)


def _write_pictures(folder: Path, golden: Golden, count: int, is_one: bool) -> list[Path]:
    folder.mkdir()
    pictures = []
    every = range(GRID * GRID)
    for number in range(count):
        # Every other picture is that of an empty cabinet.
        occupied: Collection[int] = ()
        if number % 2:
            occupied = (number // 2 % len(every),) if is_one else every
        pictures.append(folder / f"{_FIRST_AT + number * _STEP:%Y-%m-%d_%H-%M-%S}.png")
        picture_bgr = cv2.cvtColor(draw_cabinet(golden, occupied), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(pictures[-1]), picture_bgr)
    return pictures


def _watch(
    settings: Settings, camera: UploadingCamera, changes: Sequence[int]
) -> Sequence[Receipt]:
    """Return what a subscriber received of a daemon with this camera.

    `changes` says how many slots change with each picture.
    """
    assert settings.mqtt is not None  # noqa: S101  -- the caller gave it
    topic = f"{settings.mqtt.topic_prefix}/{settings.device}/slots/+"
    subscriber = subprocess.Popen(
        [
            *(sys.executable, "-m", "edge.measure.subscriber"),
            *(settings.mqtt.host, str(settings.mqtt.port), topic, str(sum(changes))),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,  # Ctrl-C ends this process, and this one its subscriber
    )
    with ExitStack() as stack:
        stack.callback(subscriber.wait)
        stack.callback(subscriber.kill)
        assert subscriber.stdout is not None  # noqa: S101  -- it was asked for
        if subscriber.stdout.readline().strip() != READY:
            raise SlotwatchError("the subscriber did not reach the broker")
        _run_daemon(settings, camera, stack)
        try:
            output, _ = subscriber.communicate(
                timeout=len(changes) * settings.camera.every_s + DEADLINE_S
            )
        except subprocess.TimeoutExpired:
            raise SlotwatchError(
                f"not all of {sum(changes)} states came; is this machine too busy to measure on?"
            ) from None
    return [Receipt(*fields) for fields in json.loads(output)]


def _run_daemon(settings: Settings, camera: CameraProcess, stack: ExitStack) -> None:
    """Start the daemon's parts, to be ended with the stack."""
    parts = build_parts(settings)
    stack.callback(parts.journal.close)
    fanout = Fanout(parts.sinks)
    inference = InferenceThread(
        parts.assignment, camera, parts.journal, fanout, Alerts(fanout), Health()
    )
    fanout.each(lambda sink: sink.start())
    stack.callback(fanout.each, lambda sink: sink.close())
    inference.start()
    stack.callback(inference.stop)


def frame_delays_ms(
    handed_s: Mapping[str, float], receipts: Sequence[Receipt], changes: Sequence[int]
) -> list[float]:
    """Return for each frame how long its last slot took, milliseconds, in the frames' order.

    `handed_s` maps a frame's time to the moment it was handed over; receipts name that time.
    `changes` says how many slots change with each frame.

    Raises:
        SlotwatchError: a frame, or a frame's states, did not all come.
    """
    if len(handed_s) != len(changes):
        raise SlotwatchError(f"{len(handed_s)} of {len(changes)} frames came")
    last_s: dict[str, float] = {}
    seen: dict[str, set[str]] = {}
    for receipt in receipts:
        last_s[receipt.since] = max(receipt.monotonic_s, last_s.get(receipt.since, 0.0))
        seen.setdefault(receipt.since, set()).add(receipt.topic)
    delays_ms = []
    for (since, from_s), expected in zip(sorted(handed_s.items()), changes, strict=True):
        received = len(seen.get(since, ()))
        if received != expected:
            raise SlotwatchError(f"{received} of {expected} states came of the frame of {since}")
        delays_ms.append(1000 * (last_s[since] - from_s))
    return delays_ms


def _bare_ms(invoke: Callable[[], None], count: int) -> float:
    """Return the median time of one inference."""
    durations_ms = []
    for _ in range(3 * count):
        start_s = time.perf_counter()
        invoke()
        durations_ms.append(1000 * (time.perf_counter() - start_s))
    return statistics.median(durations_ms)
